# SPDX-License-Identifier: Apache-2.0
"""XML from devices and users: what is refused, and what is kept as it was meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from aioconn.protocols.netconf import xml

BOMB = (
    "<!DOCTYPE a ["
    + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "ha" * 10}">' for n in range(12))
    + "]>"
)


@pytest.mark.parametrize(
    "document",
    [
        BOMB + "<a>&e11;</a>",
        BOMB + '<a b="&e11;"/>',
        '<?xml version="1.0"?>\n<!-- <a> -->\n<?pi <a>?>' + BOMB + "<a>&e11;</a>",
        "\ufeff" + BOMB + "<a/>",
        "<!-- - -->" * 1000 + BOMB + "<a/>",
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><a>&f;</a>',
        '<!DOCTYPE a [<!ENTITY % f SYSTEM "http://127.0.0.1:1/x">%f;]><a/>',
        "<!DOCTYPE a><a/>",
    ],
)
def test_a_dtd_is_refused_before_it_is_looked_at(document: str) -> None:
    with pytest.raises(xml.BadXml, match="DTD"):
        xml.parse(document.encode())


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"   ",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<a>&nbsp;</a>",
        b"<a>\xff</a>",
        b"<a>\x00</a>",
        "<a/>".encode("utf-16"),
        b"<a b='1' b='2'/>",
        b"<" + b"x:" * 3 + b"a/>",
        b"<a>" * 300 + b"</a>" * 300,
        b"<!-- " * 10,
    ],
)
def test_what_is_not_well_formed_is_refused(document: bytes) -> None:
    with pytest.raises(xml.BadXml):
        xml.parse(document)


def test_a_text_may_speak_of_a_dtd() -> None:
    assert xml.parse(b"<a><![CDATA[<!DOCTYPE html>]]></a>").text == "<!DOCTYPE html>"


def test_a_large_document_is_parsed_and_a_small_one_is_not_deep() -> None:
    large = b"<a>" + b"x" * 11_000_000 + b"</a>"
    assert len(xml.parse(large).text or "") == 11_000_000


@given(st.binary(max_size=300))
def test_anything_at_all_is_parsed_or_refused(document: bytes) -> None:
    try:
        xml.parse(document)
    except xml.BadXml:
        pass


# ------------------------------------------------------------------ from users


@pytest.mark.parametrize(
    "text",
    [
        "</w><w>",
        "<a/></w><b/><w>",
        "</config></edit-config></rpc><rpc>",
        "<a>",
        "text",
        "<a/>text",
        "text<a/>",
        "<!-- <a/>",
        "<![CDATA[",
        "<a>\x00</a>",
        "<a>&#0;</a>",
        "<a>\ud800</a>",
        "<p:a/>",
        "<a>&evil;</a>",
        "<!DOCTYPE a><a/>",
    ],
)
def test_no_text_gets_out_of_the_element_that_it_is_put_into(text: str) -> None:
    with pytest.raises(xml.BadXml):
        xml.elements(text)


def test_forms_of_xml() -> None:
    wanted = '<a xmlns="urn:a"><b>1</b></a>'
    given: list[xml.Xml] = [
        wanted,
        wanted.encode(),
        f'<?xml version="1.0" encoding="ISO-8859-1"?>\n{wanted}\n',
        {"a": {"@xmlns": "urn:a", "b": 1}},
        etree.fromstring(wanted),
        f"<!-- why -->{wanted}",
    ]
    for form in given:
        assert xml.enclosed(xml.elements(form)) == wanted
    assert len(xml.elements("<a/><b/>")) == 2
    assert xml.elements("") == []
    with pytest.raises(xml.BadXml, match="int"):
        xml.elements(7)  # type: ignore[arg-type]


def test_one_without_a_namespace_stays_without() -> None:
    given = xml.elements('<a><b/></a><c x="1"/>')
    inside = f'<f xmlns="{xml.BASE}">{xml.enclosed(given)}</f>'
    assert [element.tag for element in etree.fromstring(inside).iter()] == [f"{{{xml.BASE}}}f", "a", "b", "c"]


def test_namespaces_of_the_surroundings_come_along() -> None:
    config = '<config xmlns:x="urn:x" xmlns="urn:d"><a><type>x:one</type></a></config>'
    inner = xml.enclosed(xml.children(xml.elements(config)[0]))
    assert etree.fromstring(inner).nsmap == {"x": "urn:x", None: "urn:d"}


def test_mappings() -> None:
    made = xml.from_mapping(
        {
            "a": {
                "@xmlns": "urn:a",
                "@xmlns:nc": xml.BASE,
                "on": True,
                "none": None,
                "empty": {},
                "item": [{"name": "x<&>", "@nc:operation": "delete"}, {"name": 2}],
                "unit": {"@base": '"m"', "#text": 3},
            }
        }
    )
    root = etree.fromstring(made)
    assert [etree.QName(child).localname for child in root] == ["on", "none", "empty", "item", "item", "unit"]
    assert root.findtext("{urn:a}on") == "true"
    assert root.findtext("{urn:a}item/{urn:a}name") == "x<&>"
    assert root[3].get(f"{{{xml.BASE}}}operation") == "delete"
    assert (root[5].get("base"), root[5].text) == ('"m"', "3")
    for bad in ("a b", "", "1a", "a>", "a/><b", "x:y:z"):
        with pytest.raises(xml.BadXml, match="no name"):
            xml.from_mapping({bad: 1})
    with pytest.raises(xml.BadXml, match="no name"):
        xml.from_mapping({"a": {"@b c": 1}})


@given(st.text())
def test_any_text_comes_out_as_it_went_in_or_is_refused(text: str) -> None:
    try:
        made = xml.from_mapping({"a": {"@b": text, "c": text}})
    except xml.BadXml:
        return
    root = xml.elements(made)[0]
    assert (root[0].text or "") == text.replace("\r\n", "\n").replace("\r", "\n")
