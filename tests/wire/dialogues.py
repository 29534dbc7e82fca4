# SPDX-License-Identifier: Apache-2.0
"""Recorded dialogues, byte by byte, telnet options taken out: what the device sent (`<`) and was sent (`>`)."""

from __future__ import annotations

Turn = tuple[str, bytes]

FRR_ZEBRA_VTY_TELNET: list[Turn] = [
    (
        "<",
        b"\r\n"
        b"Hello, this is FRRouting (version 8.4.4).\r\n"
        b"Copyright 1996-2005 Kunihiro Ishiguro, et al.\r\n"
        b"\r\n"
        b"\r\n"
        b"User Access Verification\r\n"
        b"\r\n"
        b"Password: ",
    ),
    (">", b"zebra\r"),
    (
        "<",
        b"\r\nr1> ",
    ),
    (">", b"enable\r"),
    (
        "<",
        b"enable\r\nPassword: ",
    ),
    (">", b"enablepw\r"),
    (
        "<",
        b"\r\nr1# ",
    ),
    (">", b"show version\r"),
    (
        "<",
        b"show version\r\n"
        b"FRRouting 8.4.4 (r1) on Linux(6.1.0-18-amd64).\r\n"
        b"Copyright 1996-2005 Kunihiro Ishiguro, et al.\r\n"
        b"configured with:\r\n"
        b"    '--build=x86_64-linux-gnu' '--prefix=/usr' '--includedir=${prefix}/include' '--mandir="
        b"${prefix}/share/man' '--infodir=${prefix}/share/info' '--sysconfdir=/etc' '--localstatedir"
        b"=/var' '--disable-option-checking' '--disable-silent-rules' '--libdir=${prefix}/lib/x86_64"
        b"-linux-gnu' '--libexecdir=${prefix}/lib/x86_64-linux-gnu' '--disable-maintainer-mode' '--l"
        b"ocalstatedir=/var/run/frr' '--sbindir=/usr/lib/frr' '--sysconfdir=/etc/frr' '--with-vtysh-"
        b"pager=/usr/bin/pager' '--libdir=/usr/lib/x86_64-linux-gnu/frr' '--with-moduledir=/usr/lib/"
        b"x86_64-linux-gnu/frr/modules' '--disable-dependency-tracking' '--enable-rpki' '--disable-s"
        b"cripting'  --More-- \x00",
    ),
    (">", b" "),
    (
        "<",
        b"\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08          \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08'--di"
        b"sable-pim6d' '--with-libpam' '--enable-doc' '--enable-doc-html' '--enable-snmp' '--enable-"
        b"fpm' '--disable-protobuf' '--disable-zeromq' '--enable-ospfapi' '--enable-bgp-vnc' '--enab"
        b"le-multipath=256' '--enable-user=frr' '--enable-group=frr' '--enable-vty-group=frrvty' '--"
        b"enable-configfile-mask=0640' '--enable-logfile-mask=0640' 'build_alias=x86_64-linux-gnu' '"
        b"PYTHON=python3'\r\n"
        b"r1# ",
    ),
    (">", b"show interface\r"),
    (
        "<",
        b"show interface\r\n"
        b"Interface eth0 is up, line protocol is up\r\n"
        b"  Link ups:       0    last: (never)\r\n"
        b"  Link downs:     0    last: (never)\r\n"
        b"  vrf: default\r\n"
        b"  index 4 metric 0 mtu 1400 speed 4294967295 \r\n"
        b"  flags: <UP,BROADCAST,RUNNING,MULTICAST>\r\n"
        b"  Type: Ethernet\r\n"
        b"  HWaddr: 02:fc:00:00:00:01\r\n"
        b"  inet 192.0.2.2/24\r\n"
        b"  inet6 fd00::2/64\r\n"
        b"  inet6 fe80::fc:ff:fe00:1/64\r\n"
        b" --More-- \x00",
    ),
    (">", b" "),
    (
        "<",
        b"\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08          \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08  Int"
        b"erface Type Other\r\n"
        b"  Interface Slave Type None\r\n"
        b"  protodown: off \r\n"
        b"Interface ifb0 is down\r\n"
        b"  Link ups:       0    last: (never)\r\n"
        b"  Link downs:     0    last: (never)\r\n"
        b"  vrf: default\r\n"
        b"  index 2 metric 0 mtu 1500 speed 0 \r\n"
        b"  flags: <BROADCAST,NOARP>\r\n"
        b"  Type: Ethernet\r\n"
        b"  HWaddr: fe:36:d1:7d:dc:c8\r\n"
        b" --More-- \x00",
    ),
    (">", b"\r"),
    (
        "<",
        b"\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08          \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08  Int"
        b"erface Type Other\r\n"
        b"  Interface Slave Type None\r\n"
        b"  protodown: off \r\n"
        b"Interface ifb1 is down\r\n"
        b"  Link ups:       0    last: (never)\r\n"
        b"  Link downs:     0    last: (never)\r\n"
        b"  vrf: default\r\n"
        b"  index 3 metric 0 mtu 1500 speed 0 \r\n"
        b"  flags: <BROADCAST,NOARP>\r\n"
        b"  Type: Ethernet\r\n"
        b"  HWaddr: 62:46:b8:40:ad:58\r\n"
        b" --More-- \x00",
    ),
    (">", b"q"),
    (
        "<",
        b"\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08          \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08r1# ",
    ),
    (">", b"terminal length 0\r"),
    (
        "<",
        b"terminal length 0\r\nr1# ",
    ),
    (">", b"show running-config\r"),
    (
        "<",
        b"show running-config\r\n"
        b"\r\n"
        b"Current configuration:\r\n"
        b"!\r\n"
        b"frr version 8.4.4\r\n"
        b"frr defaults traditional\r\n"
        b"!\r\n"
        b"hostname r1\r\n"
        b"password zebra\r\n"
        b"enable password enablepw\r\n"
        b'! "log file /etc/frr/zebra.log debugging" enabled by "--log" startup option\r\n'
        b'! use "clear log cmdline-targets" to remove this target\r\n'
        b"!\r\n"
        b"!\r\n"
        b"!\r\n"
        b"!\r\n"
        b"!\r\n"
        b"interface lo\r\n"
        b" description via-vtysh\r\n"
        b"exit\r\n"
        b"!\r\n"
        b"!\r\n"
        b"!\r\n"
        b"no ip forwarding\r\n"
        b"no ipv6 forwarding\r\n"
        b"!\r\n"
        b"!\r\n"
        b"!\r\n"
        b"!\r\n"
        b"line vty\r\n"
        b" exec-timeout 0 0\r\n"
        b"exit\r\n"
        b"!\r\n"
        b"end\r\n"
        b"r1# ",
    ),
    (">", b"sho ver?"),
    (
        "<",
        b"sho ver\r\n  version  Displays zebra version\r\nr1# sho ver",
    ),
    (">", b"\x15show nonsense\r"),
    (
        "<",
        b"\x08\x08\x08\x08\x08\x08\x08       \x08\x08\x08\x08\x08\x08\x08show nonsense\r\n"
        b"% [ZEBRA] Unknown command: show nonsense\r\n"
        b"r1# ",
    ),
    (">", b"configure terminal\r"),
    (
        "<",
        b"configure terminal\r\nr1(config)# ",
    ),
    (">", b"interface lo\r"),
    (
        "<",
        b"interface lo\r\nr1(config-if)# ",
    ),
    (">", b"description spare\r"),
    (
        "<",
        b"description spare\r\nr1(config-if)# ",
    ),
    (">", b"end\r"),
    (
        "<",
        b"end\r\nr1# ",
    ),
    (">", b"exit\r"),
    ("<", b"exit\r\n"),
]

FRR_BGPD_VTY_TELNET: list[Turn] = [
    (
        "<",
        b"\r\n"
        b"Hello, this is FRRouting (version 8.4.4).\r\n"
        b"Copyright 1996-2005 Kunihiro Ishiguro, et al.\r\n"
        b"\r\n"
        b"\r\n"
        b"User Access Verification\r\n"
        b"\r\n"
        b"Password: ",
    ),
    (">", b"zebra\r"),
    (
        "<",
        b"\r\nr1> ",
    ),
    (">", b"enable\r"),
    (
        "<",
        b"enable\r\nPassword: ",
    ),
    (">", b"nope\r"),
    (
        "<",
        b"\r\nPassword: ",
    ),
    (">", b"enablepw\r"),
    (
        "<",
        b"\r\nr1# ",
    ),
    (">", b"terminal length 0\r"),
    (
        "<",
        b"terminal length 0\r\nr1# ",
    ),
    (">", b"show bgp summary\r"),
    (
        "<",
        b"show bgp summary\r\n"
        b"\r\n"
        b"IPv4 Unicast Summary (VRF default):\r\n"
        b"BGP router identifier 10.255.0.1, local AS number 65001 vrf-id 0\r\n"
        b"BGP table version 0\r\n"
        b"RIB entries 1, using 192 bytes of memory\r\n"
        b"Peers 1, using 724 KiB of memory\r\n"
        b"\r\n"
        b"Neighbor        V         AS   MsgRcvd   MsgSent   TblVer  InQ OutQ  Up/Down State/PfxRcd "
        b"  PfxSnt Desc\r\n"
        b"198.51.100.2    4      65002         0         0        0    0    0    never       Active "
        b"       0 uplink to AS65002\r\n"
        b"\r\n"
        b"Total number of neighbors 1\r\n"
        b"r1# ",
    ),
    (">", b"show bgp neighbors\r"),
    (
        "<",
        b"show bgp neighbors\r\n"
        b"BGP neighbor is 198.51.100.2, remote AS 65002, local AS 65001, external link\r\n"
        b"  Local Role: undefined\r\n"
        b"  Remote Role: undefined\r\n"
        b" Description: uplink to AS65002\r\n"
        b"  BGP version 4, remote router ID 0.0.0.0, local router ID 10.255.0.1\r\n"
        b"  BGP state = Active\r\n"
        b"  Last read 00:00:17, Last write never\r\n"
        b"  Hold time is 180 seconds, keepalive interval is 60 seconds\r\n"
        b"  Configured hold time is 180 seconds, keepalive interval is 60 seconds\r\n"
        b"  Configured conditional advertisements interval is 60 seconds\r\n"
        b"  Graceful restart information:\r\n"
        b"    Local GR Mode: Helper*\r\n"
        b"    Remote GR Mode: NotApplicable\r\n"
        b"    R bit: False\r\n"
        b"    N bit: False\r\n"
        b"    Timers:\r\n"
        b"      Configured Restart Time(sec): 120\r\n"
        b"      Received Restart Time(sec): 0\r\n"
        b"  Message statistics:\r\n"
        b"    Inq depth is 0\r\n"
        b"    Outq depth is 0\r\n"
        b"                         Sent       Rcvd\r\n"
        b"    Opens:                  0          0\r\n"
        b"    Notifications:          0          0\r\n"
        b"    Updates:                0          0\r\n"
        b"    Keepalives:             0          0\r\n"
        b"    Route Refresh:          0          0\r\n"
        b"    Capability:             0          0\r\n"
        b"    Total:                  0          0\r\n"
        b"  Minimum time between advertisement runs is 0 seconds\r\n"
        b"\r\n"
        b" For address family: IPv4 Unicast\r\n"
        b"  Not part of any update group\r\n"
        b"  Community attribute sent to this neighbor(all)\r\n"
        b"  0 accepted prefixes\r\n"
        b"\r\n"
        b"  Connections established 0; dropped 0\r\n"
        b"  Last reset 00:00:17,  Waiting for NHT\r\n"
        b"  External BGP neighbor may be up to 1 hops away.\r\n"
        b"BGP Connect Retry Timer in Seconds: 120\r\n"
        b"Next connect timer due in 103 seconds\r\n"
        b"Read thread: off  Write thread: off  FD used: -1\r\n"
        b"\r\n"
        b"\r\n"
        b"r1# ",
    ),
    (">", b"show bgp summary json\r"),
    (
        "<",
        b"show bgp summary json\r\n"
        b"{\r\n"
        b'"ipv4Unicast":{\r\n'
        b'  "routerId":"10.255.0.1",\r\n'
        b'  "as":65001,\r\n'
        b'  "vrfId":0,\r\n'
        b'  "vrfName":"default",\r\n'
        b'  "tableVersion":0,\r\n'
        b'  "ribCount":1,\r\n'
        b'  "ribMemory":192,\r\n'
        b'  "peerCount":1,\r\n'
        b'  "peerMemory":741464,\r\n'
        b'  "peers":{\r\n'
        b'    "198.51.100.2":{\r\n'
        b'      "remoteAs":65002,\r\n'
        b'      "localAs":65001,\r\n'
        b'      "version":4,\r\n'
        b'      "msgRcvd":0,\r\n'
        b'      "msgSent":0,\r\n'
        b'      "tableVersion":0,\r\n'
        b'      "outq":0,\r\n'
        b'      "inq":0,\r\n'
        b'      "peerUptime":"never",\r\n'
        b'      "peerUptimeMsec":0,\r\n'
        b'      "pfxRcd":0,\r\n'
        b'      "pfxSnt":0,\r\n'
        b'      "state":"Active",\r\n'
        b'      "peerState":"OK",\r\n'
        b'      "connectionsEstablished":0,\r\n'
        b'      "connectionsDropped":0,\r\n'
        b'      "desc":"uplink to AS65002",\r\n'
        b'      "idType":"ipv4"\r\n'
        b"    }\r\n"
        b"  },\r\n"
        b'  "failedPeers":1,\r\n'
        b'  "displayedPeers":1,\r\n'
        b'  "totalPeers":1,\r\n'
        b'  "dynamicPeers":0,\r\n'
        b'  "bestPath":{\r\n'
        b'    "multiPathRelax":"false"\r\n'
        b"  }\r\n"
        b"}\r\n"
        b"}\r\n"
        b"r1# ",
    ),
    (">", b"configure terminal\r"),
    (
        "<",
        b"configure terminal\r\nr1(config)# ",
    ),
    (">", b"router bgp 65001\r"),
    (
        "<",
        b"router bgp 65001\r\nr1(config-router)# ",
    ),
    (">", b"neighbor 198.51.100.2 password s3cret\r"),
    (
        "<",
        b"neighbor 198.51.100.2 password s3cret\r\nr1(config-router)# ",
    ),
    (">", b"bogus\r"),
    (
        "<",
        b"bogus\r\n% [BGP] Unknown command: bogus\r\nr1(config-router)# ",
    ),
    (">", b"address-family ipv4 unicast\r"),
    (
        "<",
        b"address-family ipv4 unicast\r\nr1(config-router-af)# ",
    ),
    (">", b"end\r"),
    (
        "<",
        b"end\r\nr1# ",
    ),
    (">", b"exit\r"),
    ("<", b"exit\r\n"),
]

FRR_OSPFD_MOTD_NOLOGIN_IDLE: list[Turn] = [
    ("<", b'*** maintenance: use "router#" as prompt > host> also not a prompt #r1-ospfd> '),
    (">", b"enable\r"),
    (
        "<",
        b"enable\r\nr1-ospfd# ",
    ),
    (">", b"show ip ospf\r"),
    (
        "<",
        b"show ip ospf\r\nr1-ospfd# \r\nVty connection is timed out.\r\n",
    ),
]

FRR_STATICD_NO_PASSWORD: list[Turn] = [
    ("<", b"Vty password is not set.\r\n"),
]

FRR_VTY_BAD_PASSWORD: list[Turn] = [
    (
        "<",
        b"\r\n"
        b"Hello, this is FRRouting (version 8.4.4).\r\n"
        b"Copyright 1996-2005 Kunihiro Ishiguro, et al.\r\n"
        b"\r\n"
        b"\r\n"
        b"User Access Verification\r\n"
        b"\r\n"
        b"Password: ",
    ),
    (">", b"wrong\r"),
    (
        "<",
        b"\r\nPassword: ",
    ),
    (">", b"wrong2\r"),
    (
        "<",
        b"\r\nPassword: ",
    ),
    (">", b"wrong3\r"),
    (
        "<",
        b"\r\n% Bad passwords, too many failures!\r\n",
    ),
]

FRR_VTYSH_SSH: list[Turn] = [
    (
        "<",
        b"\r\n"
        b"Hello, this is FRRouting (version 8.4.4).\r\n"
        b"Copyright 1996-2005 Kunihiro Ishiguro, et al.\r\n"
        b"\r\n"
        b"r1# ",
    ),
    (">", b"show version\r"),
    (
        "<",
        b"show version\r\n"
        b"FRRouting 8.4.4 (r1) on Linux(6.1.0-18-amd64).\r\n"
        b"Copyright 1996-2005 Kunihiro Ishiguro, et al.\r\n"
        b"configured with:\r\n"
        b"    '--build=x86_64-linux-gnu' '--prefix=/usr' '--includedir=${prefix}/include' '--mandir="
        b"${prefix}/share/man' '--infodir=${prefix}/share/info' '--sysconfdir=/etc' '--localstatedir"
        b"=/var' '--disable-option-checking' '--disable-silent-rules' '--libdir=${prefix}/lib/x86_64"
        b"-linux-gnu' '--libexecdir=${prefix}/lib/x86_64-linux-gnu' '--disable-maintainer-mode' '--l"
        b"ocalstatedir=/var/run/frr' '--sbindir=/usr/lib/frr' '--sysconfdir=/etc/frr' '--with-vtysh-"
        b"pager=/usr/bin/pager' '--libdir=/usr/lib/x86_64-linux-gnu/frr' '--with-moduledir=/usr/lib/"
        b"x86_64-linux-gnu/frr/modules' '--disable-dependency-tracking' '--enable-rpki' '--disable-s"
        b"cripting' '--disable-pim6d' '--with-libpam' '--enable-doc' '--enable-doc-html' '--enable-s"
        b"nmp' '--enable-fpm' '--disable-protobuf' '--disable-zeromq' '--enable-ospfapi' '--enable-b"
        b"gp-vnc' '--enable-multipath=256' '--enable-user=frr' '--enable-group=frr' '--enable-vty-gr"
        b"oup=frrvty' '--enable-configfile-mask=0640' '--enable-logfile-mask=0640' 'build_alias=x86_"
        b"64-linux-gnu' 'PYTHON=python3'\r\n"
        b"r1# ",
    ),
    (">", b"show interface brief\r"),
    (
        "<",
        b"show interface brief\r\n"
        b"Interface       Status  VRF             Addresses\r\n"
        b"---------       ------  ---             ---------\r\n"
        b"eth0            up      default         192.0.2.2/24\r\n"
        b"                                        + fd00::2/64\r\n"
        b"ifb0            down    default         \r\n"
        b"ifb1            down    default         \r\n"
        b"lo              up      default         \r\n"
        b"\r\n"
        b"r1# ",
    ),
    (">", b"show nonsense\r"),
    (
        "<",
        b"show nonsense\r\n% Unknown command: show nonsense\r\nr1# ",
    ),
    (">", b"terminal length 0\r"),
    (
        "<",
        b"terminal length 0\r\nr1# ",
    ),
    (">", b"show running-config\r"),
    (
        "<",
        b"show running-config\r\n"
        b"Building configuration...\r\n"
        b"\r\n"
        b"Current configuration:\r\n"
        b"!\r\n"
        b"frr version 8.4.4\r\n"
        b"frr defaults traditional\r\n"
        b"hostname r1\r\n"
        b"no ip forwarding\r\n"
        b"no ipv6 forwarding\r\n"
        b"hostname r1-ospfd\r\n"
        b'banner motd line *** maintenance: use "router#" as prompt > host> also not a prompt #\r\n'
        b"hostname r1-staticd\r\n"
        b"no service integrated-vtysh-config\r\n"
        b"!\r\n"
        b"password zebra\r\n"
        b"enable password enablepw\r\n"
        b"!\r\n"
        b"router bgp 65001\r\n"
        b" bgp router-id 10.255.0.1\r\n"
        b" no bgp ebgp-requires-policy\r\n"
        b" neighbor 198.51.100.2 remote-as 65002\r\n"
        b" neighbor 198.51.100.2 description uplink to AS65002\r\n"
        b" !\r\n"
        b" address-family ipv4 unicast\r\n"
        b"  network 203.0.113.0/24\r\n"
        b" exit-address-family\r\n"
        b"exit\r\n"
        b"!\r\n"
        b"line vty\r\n"
        b" exec-timeout 0 0\r\n"
        b" exec-timeout 0 3\r\n"
        b" no login\r\n"
        b"exit\r\n"
        b"!\r\n"
        b"end\r\n"
        b"r1# ",
    ),
    (">", b"sho ver?"),
    (
        "<",
        b"sho ver\r\n  version  Displays zebra version\r\nr1# sho ver",
    ),
    (">", b"\x15configure terminal\r"),
    (
        "<",
        b"\rr1# \x1b[Kconfigure terminal\r\nr1(config)# ",
    ),
    (">", b"interface lo\r"),
    (
        "<",
        b"interface lo\r\nr1(config-if)# ",
    ),
    (">", b"description via-vtysh\r"),
    (
        "<",
        b"description via-vtysh\r\nr1(config-if)# ",
    ),
    (">", b"end\r"),
    (
        "<",
        b"end\r\nr1# ",
    ),
    (">", b"write memory\r"),
    (
        "<",
        b"write memory\r\n"
        b"Note: this version of vtysh never writes vtysh.conf\r\n"
        b"Building Configuration...\r\n"
        b"Configuration saved to /etc/frr/zebra.conf\r\n"
        b"Configuration saved to /etc/frr/ospfd.conf\r\n"
        b"Configuration saved to /etc/frr/bgpd.conf\r\n"
        b"Configuration saved to /etc/frr/staticd.conf\r\n"
        b"r1# ",
    ),
    (">", b"disable\r"),
    (
        "<",
        b"disable\r\nr1> ",
    ),
    (">", b"enable\r"),
    (
        "<",
        b"enable\r\nr1# ",
    ),
    (">", b"exit\r"),
    ("<", b"exit\r\n"),
]

OPENSSH_BASH_SHELL: list[Turn] = [
    ("<", b"\x1b[?2004h\x1b]0;me@vm: ~\x07me@vm:~$ "),
    (">", b"echo hello; stty size\r"),
    (
        "<",
        b"echo hello; stty size\r\n"
        b"\x1b[?2004l\rhello\r\n"
        b"50 200\r\n"
        b"\x1b[?2004h\x1b]0;me@vm: ~\x07me@vm:~$ \x1b[K",
    ),
    (">", b"for i in 1 2 3; do echo tick $i; sleep .2; done\r"),
    (
        "<",
        b"for i in 1 2 3; do echo tick $i; sleep .2; done\r\n"
        b"\x1b[?2004l\rtick 1\r\n"
        b"tick 2\r\n"
        b"tick 3\r\n"
        b"\x1b[?2004h\x1b]0;me@vm: ~\x07me@vm:~$ \x1b[K",
    ),
    (">", b"su - aioexp\r"),
    (
        "<",
        b"su - aioexp\r\n\x1b[?2004l\rPassword: ",
    ),
    (">", b"x\r"),
    (
        "<",
        b"\r\nsu: Authentication failure\r\n\x1b[?2004h\x1b]0;me@vm: ~\x07me@vm:~$ ",
    ),
    (">", b"exit\r"),
    (
        "<",
        b"exit\r\n\x1b[?2004l\rlogout\r\n",
    ),
]

CONSOLE_SER2NET_LOGIN: list[Turn] = [
    (
        "<",
        b"\r\nConsole server port \xc2\x85\r\n",
    ),
    (">", b"\r"),
    (
        "<",
        b"\r\nvm login: ",
    ),
    (">", b"joe\r"),
    (
        "<",
        b"joe\r\nPassword: ",
    ),
    (">", b"joepass\r"),
    (
        "<",
        b"\r\n"
        b"Linux vm 6.1.0-18-amd64 #1 SMP PREEMPT_DYNAMIC @0 x86_64\r\n"
        b"\r\n"
        b"The programs included with the Debian GNU/Linux system are free software;\r\n"
        b"the exact distribution terms for each program are described in the\r\n"
        b"individual files in /usr/share/doc/*/copyright.\r\n"
        b"\r\n"
        b"Debian GNU/Linux comes with ABSOLUTELY NO WARRANTY, to the extent\r\n"
        b"permitted by applicable law.\r\n"
        b"Last login: Sat Nov 21 00:26:25 UTC 2026 on pts/1\r\n"
        b"\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ ",
    ),
    (">", b"tty; uname -s\r"),
    (
        "<",
        b"tty; uname -s\r\n\x1b[?2004l\r/dev/pts/1\r\nLinux\r\n\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ ",
    ),
    (">", b"exit\r"),
    (
        "<",
        b"exit\r\n\x1b[?2004l\rlogout\r\n",
    ),
]

CONSOLE_SER2NET_VTYSH: list[Turn] = [
    (
        "<",
        b"\r\n"
        b"Hello, this is FRRouting (version 8.4.4).\r\n"
        b"Copyright 1996-2005 Kunihiro Ishiguro, et al.\r\n"
        b"\r\n"
        b"r1# ",
    ),
    (">", b"show version\r"),
    (
        "<",
        b"show version\r\n"
        b"FRRouting 8.4.4 (r1) on Linux(6.1.0-18-amd64).\r\n"
        b"Copyright 1996-2005 Kunihiro Ishiguro, et al.\r\n"
        b"configured with:\r\n"
        b"    '--build=x86_64-linux-gnu' '--prefix=/usr' '--includedir=${prefix}/include' '--mandir="
        b"${prefix}/share/man' '--infodir=${prefix}/share/info' '--sysconfdir=/etc' '--localstatedir"
        b"=/var' '--disable-option-checking' '--disable-silent-rules' '--libdir=${prefix}/lib/x86_64"
        b"-linux-gnu' '--libexecdir=${prefix}/lib/x86_64-linux-gnu' '--disable-maintainer-mode' '--l"
        b"ocalstatedir=/var/run/frr' '--sbindir=/usr/lib/frr' '--sysconfdir=/etc/frr' '--with-vtysh-"
        b"pager=/usr/bin/pager' '--libdir=/usr/lib/x86_64-linux-gnu/frr' '--with-moduledir=/usr/lib/"
        b"x86_64-linux-gnu/frr/modules' '--disable-dependency-tracking' '--enable-rpki' '--disable-s"
        b"cripting' '--disable-pim6d' '--with-libpam' '--enable-doc' '--enable-doc-html' '--enable-s"
        b"nmp' '--enable-fpm' '--disable-protobuf' '--disable-zeromq' '--enable-ospfapi' '--enable-b"
        b"gp-vnc' '--enable-multipath=256' '--enable-user=frr' '--enable-group=frr' '--enable-vty-gr"
        b"oup=frrvty' '--enable-configfile-mask=0640' '--enable-logfile-mask=0640' 'build_alias=x86_"
        b"64-linux-gnu' 'PYTHON=python3'\r\n"
        b"r1# ",
    ),
    (">", b"exit\r"),
    ("<", b"exit\r\n"),
]

TELNETD_BUSYBOX_LOGIN: list[Turn] = [
    (
        "<",
        b"\r\r\nDebian GNU/Linux 12\r\n\rvm login: ",
    ),
    (">", b"joe\r"),
    (
        "<",
        b"joe\r\nPassword: ",
    ),
    (">", b"joepass\r"),
    (
        "<",
        b"\r\n"
        b"Linux vm 6.1.0-18-amd64 #1 SMP PREEMPT_DYNAMIC @0 x86_64\r\n"
        b"\r\n"
        b"The programs included with the Debian GNU/Linux system are free software;\r\n"
        b"the exact distribution terms for each program are described in the\r\n"
        b"individual files in /usr/share/doc/*/copyright.\r\n"
        b"\r\n"
        b"Debian GNU/Linux comes with ABSOLUTELY NO WARRANTY, to the extent\r\n"
        b"permitted by applicable law.\r\n"
        b"Last login: Sat Nov 21 00:48:07 UTC 2026 from localhost on pts/12\r\n"
        b"\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ ",
    ),
    (">", b'echo "hello $TERM"; stty size\r'),
    (
        "<",
        b'echo "hello $TERM"; stty size\r\n'
        b"\x1b[?2004l\rhello xterm\r\n"
        b"50 200\r\n"
        b"\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ ",
    ),
    (">", b"cat /etc/debian_version\r"),
    (
        "<",
        b"cat /etc/debian_version\r\n\x1b[?2004l\r12.11\r\n\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ ",
    ),
    (">", b"uname -sr\r"),
    (
        "<",
        b"uname -sr\r\n\x1b[?2004l\rLinux 6.1.0-18-amd64\r\n\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ ",
    ),
    (">", b"for i in 1 2 3; do echo tick $i; sleep 0.2; done\r"),
    (
        "<",
        b"for i in 1 2 3; do echo tick $i; sleep 0.2; done\r\n"
        b"\x1b[?2004l\rtick 1\r\n"
        b"tick 2\r\n"
        b"tick 3\r\n"
        b"\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ ",
    ),
    (">", b"exit\r"),
    (
        "<",
        b"exit\r\n\x1b[?2004l\rlogout\r\n",
    ),
]

TELNETD_INETUTILS_BAD_LOGIN: list[Turn] = [
    ("<", b"vm login: "),
    (">", b"joe\r"),
    (
        "<",
        b"joe\r\nPassword: ",
    ),
    (">", b"bad\r"),
    (
        "<",
        b"\r\n\r\nLogin incorrect\r\nvm login: ",
    ),
    (">", b"joe\r"),
    (
        "<",
        b"joe\r\nPassword: ",
    ),
    (">", b"joepass\r"),
    (
        "<",
        b"\r\n"
        b"Linux vm 6.1.0-18-amd64 #1 SMP PREEMPT_DYNAMIC @0 x86_64\r\n"
        b"\r\n"
        b"The programs included with the Debian GNU/Linux system are free software;\r\n"
        b"the exact distribution terms for each program are described in the\r\n"
        b"individual files in /usr/share/doc/*/copyright.\r\n"
        b"\r\n"
        b"Debian GNU/Linux comes with ABSOLUTELY NO WARRANTY, to the extent\r\n"
        b"permitted by applicable law.\r\n"
        b"Last login: Sat Nov 21 00:48:09 UTC 2026 from localhost on pts/8\r\n"
        b"\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ ",
    ),
    (">", b"exit\r"),
    (
        "<",
        b"exit\r\n\x1b[?2004l\r\x00logout\r\n",
    ),
]

TELNETD_INETUTILS_LOGIN: list[Turn] = [
    ("<", b"vm login: "),
    (">", b"joe\r"),
    (
        "<",
        b"joe\r\nPassword: ",
    ),
    (">", b"joepass\r"),
    (
        "<",
        b"\r\n"
        b"Linux vm 6.1.0-18-amd64 #1 SMP PREEMPT_DYNAMIC @0 x86_64\r\n"
        b"\r\n"
        b"The programs included with the Debian GNU/Linux system are free software;\r\n"
        b"the exact distribution terms for each program are described in the\r\n"
        b"individual files in /usr/share/doc/*/copyright.\r\n"
        b"\r\n"
        b"Debian GNU/Linux comes with ABSOLUTELY NO WARRANTY, to the extent\r\n"
        b"permitted by applicable law.\r\n"
        b"Last login: Sat Nov 21 00:26:28 UTC 2026 on pts/1\r\n"
        b"\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ ",
    ),
    (">", b'echo "hello $TERM"; stty size\r'),
    (
        "<",
        b'echo "hello $TERM"; stty size\r\n'
        b"\x1b[?2004l\r\x00hello xterm\r\n"
        b"50 200\r\n"
        b"\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ \x1b[K",
    ),
    (">", b"cat /etc/debian_version\r"),
    (
        "<",
        b"cat /etc/debian_version\r\n"
        b"\x1b[?2004l\r\x0012.11\r\n"
        b"\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ \x1b[K",
    ),
    (">", b"uname -sr\r"),
    (
        "<",
        b"uname -sr\r\n\x1b[?2004l\r\x00Linux 6.1.0-18-amd64\r\n\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ ",
    ),
    (">", b"for i in 1 2 3; do echo tick $i; sleep 0.2; done\r"),
    (
        "<",
        b"for i in 1 2 3; do echo tick $i; sleep 0.2; done\r\n"
        b"\x1b[?2004l\r\x00tick 1\r\n"
        b"tick 2\r\n"
        b"tick 3\r\n"
        b"\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ \x1b[K",
    ),
    (">", b"exit\r"),
    (
        "<",
        b"exit\r\n\x1b[?2004l\r\x00logout\r\n",
    ),
]

TELNETD_NETKIT_LOGIN: list[Turn] = [
    ("<", b"vm login: "),
    (">", b"joe\r"),
    (
        "<",
        b"joe\r\nPassword: ",
    ),
    (">", b"joepass\r"),
    (
        "<",
        b"\r\n"
        b"Linux vm 6.1.0-18-amd64 #1 SMP PREEMPT_DYNAMIC @0 x86_64\r\n"
        b"\r\n"
        b"The programs included with the Debian GNU/Linux system are free software;\r\n"
        b"the exact distribution terms for each program are described in the\r\n"
        b"individual files in /usr/share/doc/*/copyright.\r\n"
        b"\r\n"
        b"Debian GNU/Linux comes with ABSOLUTELY NO WARRANTY, to the extent\r\n"
        b"permitted by applicable law.\r\n"
        b"Last login: Sat Nov 21 00:48:08 UTC 2026 on pts/2\r\n"
        b"\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ ",
    ),
    (">", b'echo "hello $TERM"; stty size\r'),
    (
        "<",
        b'echo "hello $TERM"; stty size\r\n'
        b"\x1b[?2004l\r\x00hello xterm\r\n"
        b"50 200\r\n"
        b"\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ \x1b[K",
    ),
    (">", b"cat /etc/debian_version\r"),
    (
        "<",
        b"cat /etc/debian_version\r\n"
        b"\x1b[?2004l\r\x0012.11\r\n"
        b"\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ \x1b[K",
    ),
    (">", b"uname -sr\r"),
    (
        "<",
        b"uname -sr\r\n\x1b[?2004l\r\x00Linux 6.1.0-18-amd64\r\n\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ ",
    ),
    (">", b"for i in 1 2 3; do echo tick $i; sleep 0.2; done\r"),
    (
        "<",
        b"for i in 1 2 3; do echo tick $i; sleep 0.2; done\r\n"
        b"\x1b[?2004l\r\x00tick 1\r\n"
        b"tick 2\r\n"
        b"tick 3\r\n"
        b"\x1b[?2004h\x1b]0;joe@vm: ~\x07joe@vm:~$ \x1b[K",
    ),
    (">", b"exit\r"),
    (
        "<",
        b"exit\r\n\x1b[?2004l\r\x00logout\r\n",
    ),
]
