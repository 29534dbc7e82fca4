# SPDX-License-Identifier: Apache-2.0
"""Answers taken out of their envelopes mean what a parser finds in the whole; what is unusual is left to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from aioconn.protocols.netconf import xml
from aioconn.protocols.netconf.envelope import opened

NS = f'xmlns="{xml.BASE}"'
ID = 'message-id="7"'


@pytest.mark.parametrize(
    ("document", "element"),
    [
        (f"<rpc-reply {NS} {ID}><ok/></rpc-reply>", f"<ok {NS}/>"),
        (f"<rpc-reply {ID} {NS}><data><a>&gt;</a></data></rpc-reply>", f"<data {NS}><a>&gt;</a></data>"),
        (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<rpc-reply\n {NS}\n xmlns:j="urn:j" {ID} >\n<data x=">">'
            "</data>\n  </rpc-reply>",
            f'<data {NS} xmlns:j="urn:j" x=">"></data>',
        ),
        (
            f"<nc:rpc-reply xmlns:nc='{xml.BASE}' message-id='7'><nc:data/></nc:rpc-reply>",
            f"<nc:data xmlns:nc='{xml.BASE}'/>",
        ),
        (
            f'<rpc-reply {NS} xmlns:j="urn:j" {ID}><j:top xmlns="urn:own" >\u00fc</j:top></rpc-reply>',
            '<j:top xmlns:j="urn:j" xmlns="urn:own" >\u00fc</j:top>',
        ),
    ],
)
def test_an_ordinary_answer_is_opened(document: str, element: str) -> None:
    content = opened(document.encode())
    assert content is not None
    assert (content.message_id, content.element.decode()) == ("7", element)


@pytest.mark.parametrize(
    "document",
    [
        f"<rpc-reply {NS} {ID}/>",
        f"<rpc-reply {NS} {ID}></rpc-reply>",
        f"<rpc-reply {NS}><ok/></rpc-reply>",
        f"<rpc-reply {ID}><ok/></rpc-reply>",
        f'<rpc-reply xmlns="urn:other" {ID}><ok/></rpc-reply>',
        f'<a:rpc-reply {NS} xmlns:a="urn:a" {ID}><ok/></a:rpc-reply>',
        f"<rpc-reply {NS} {ID} {ID}><ok/></rpc-reply>",
        f'<rpc-reply {NS} message-id="&#55;"><ok/></rpc-reply>',
        f'<rpc-reply {NS} {ID} other="1"><ok/></rpc-reply>',
        f'<rpc-reply {NS} xmlns:xml="urn:x" {ID}><ok/></rpc-reply>',
        f"<!DOCTYPE a><rpc-reply {NS} {ID}><ok/></rpc-reply>",
        f"<rpc-reply {NS} {ID}><!DOCTYPE a><ok/></rpc-reply>",
        f'<?xml version="1.0" encoding="ISO-8859-1"?><rpc-reply {NS} {ID}><ok/></rpc-reply>',
        f"<rpc-reply {NS} {ID}>text<ok/></rpc-reply>",
        f"<rpc-reply {NS} {ID}><ok/>text</rpc-reply>",
        f"<rpc-reply {NS} {ID}><ok/><!-- so --></rpc-reply>",
        f"<rpc-reply {NS} {ID}><a/><b/></rpc-reply>",
        f"<rpc-reply {NS} {ID}><data>a\r\nb</data></rpc-reply>",
        f"<rpc-reply {NS} {ID}><data><![CDATA[<]]></data></rpc-reply>",
        f"<rpc-reply {NS} {ID}><ok/>{' ' * 70}</rpc-reply>",
        f"<rpc-reply {NS} {ID}><ok/></rpc-reply><!-- and -->",
        f"<rpc-reply {NS} {ID}><rpc-error/></rpc-reply>",
        f"<nc:rpc-reply xmlns:nc='{xml.BASE}' {ID}><nc:rpc-error>a</nc:rpc-error></nc:rpc-reply>",
        f"<rpc-reply {NS} {ID}><commit-results>a</commit-results></rpc-reply>",
    ],
)
def test_an_unusual_one_is_not(document: str) -> None:
    assert opened(document.encode()) is None


# what envelopes and their contents are made of, whole and broken
PARTS = [
    *("<data>", "</data>", "<data/>", "<data", "<a:b/>", "<a:b>", "</a:b>", "<rpc-error/>", "<c ", "d='1'"),
    *(
        "<!--",
        "-->",
        "<?p",
        "?>",
        "&amp;",
        "&",
        "<",
        ">",
        "/>",
        "/",
        '"',
        "'",
        " ",
        "\n",
        "text",
        "]]>",
        "\x00",
    ),
    *(
        "</rpc-reply>",
        f"<rpc-reply {NS} {ID}>",
        ' xmlns:a="urn:a"',
        " xmlns=''",
        " xmlns:a='urn:b'",
        "\u00fc",
    ),
]
ATTRIBUTES = [
    f" {NS}",
    f" {ID}",
    ' xmlns:a="urn:a"',
    " xmlns:a=''",
    " d='1'",
    ' xmlns:c="&"',
    " xmlns:xmlns='u'",
]


@given(
    st.lists(st.sampled_from(ATTRIBUTES), max_size=4),
    st.lists(st.sampled_from(PARTS), max_size=8),
    st.sampled_from(["<data>", "<a:b>", "<c d='1'>"]),
    st.sampled_from(["</data>", "</a:b>", "</c>"]),
)
def test_what_is_opened_means_what_the_whole_means(
    attributes: list[str], parts: list[str], first: str, last: str
) -> None:
    inside = "".join(parts)
    for content in (inside, first + inside + last):
        document = f"<rpc-reply {NS} {ID}{''.join(attributes)}>{content}</rpc-reply>".encode()
        found = opened(document)
        if found is None:
            continue
        try:
            element = xml.parse(found.element)
        except xml.BadXml:
            continue  # the whole is parsed then
        root = xml.parse(document)
        (only,) = xml.children(root)
        assert root.get("message-id") == found.message_id
        assert etree.tostring(only, method="c14n", with_tail=False) == etree.tostring(element, method="c14n")
        assert element.getroottree().getroot() is element
