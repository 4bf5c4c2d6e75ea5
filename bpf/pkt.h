/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads headers. The only file that knows where a field lies in a packet;
 * every access is bounded here, so that the others work on struct pkt.
 *
 * The family is a constant argument everywhere (v6), so that each program
 * holds one straight body per family. IPv4 addresses are v4-mapped in
 * tuples; what is not used of that costs nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"
#include "svc.h"

#define IP_MF 0x2000
#define IP_OFFSET 0x1fff
#define IP_DF 0x4000

/* Further than any header that is looked at. */
#define PKT_NEAR 255

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* linux/icmp.h drags the C library in. ICMP and ICMPv6 errors have one shape. */
#define ICMP_DEST_UNREACH 3
#define ICMP_SOURCE_QUENCH 4
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12
#define ICMP_ECHO 8
#define ICMPV6_ECHO 128

struct icmp_error {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 info; /* MTU: low half in ICMP (RFC 1191), whole in ICMPv6 */
};

struct tuple {
	__be32 saddr[4];
	__be32 daddr[4];
	__be16 sport;
	__be16 dport;
	__u8 proto;
};

struct pkt {
	struct tuple tuple;
	__u16 l3; /* offsets from the packet's start */
	__u16 l4;
	__u16 len; /* from the IP header on, as the IP header says */
	__be16 id; /* IPv4: identification, flags with offset, header checksum */
	__be16 frag;
	__u16 check;
	__u8 ttl;
	__u8 tcp_flags;
	__u8 tcp_len; /* of the header with options */
	bool ports;   /* the tuple has them */
};

enum pkt_kind {
	PKT_OTHER,     /* none of our business: leave it untouched */
	PKT_TRANSPORT, /* TCP or UDP, whole or an IPv4 packet's first fragment: the tuple is complete */
	PKT_FRAGMENT,   /* a later fragment (IPv4); the tuple has addresses only */
	PKT_ICMP_ERROR, /* quotes another packet; the tuple has addresses only */
	PKT_ECHO,       /* somebody pings; the tuple has addresses only */
};

static __always_inline void addr_map_v4(__be32 addr[4], __be32 v4)
{
	addr[0] = 0;
	addr[1] = 0;
	addr[2] = IN6_MAPPED_PREFIX;
	addr[3] = v4;
}

static __always_inline void addr_copy(__be32 to[4], const void *from)
{
	const __be32 *words =
		from; /* aligned wherever an address lies; a void pointer would be copied byte by byte */

	to[0] = words[0];
	to[1] = words[1];
	to[2] = words[2];
	to[3] = words[3];
}

static __always_inline bool addr_equal(const __be32 a[4], const __be32 b[4], bool v6)
{
	__be32 diff = a[3] ^ b[3];

	if (v6)
		diff |= (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]);
	return diff == 0;
}

static __always_inline bool icmp_is_error(__u8 type, bool v6)
{
	if (v6) /* RFC 4443, 2.1: the high-order bit is clear in errors */
		return type < 128;
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB || type == ICMP_SOURCE_QUENCH;
}

/* Fills the addresses, protocol and offsets from the IP header at p->l3. */
static __always_inline bool pkt_parse_ip(void *data, void *data_end, bool v6, struct pkt *p)
{
	if (v6) {
		struct ipv6hdr *ip = data + p->l3;

		if ((void *)(ip + 1) > data_end)
			return false;
		addr_copy(p->tuple.saddr, &ip->saddr);
		addr_copy(p->tuple.daddr, &ip->daddr);
		p->tuple.proto = ip->nexthdr;
		p->ttl = ip->hop_limit;
		p->len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
		p->l4 = p->l3 + sizeof(*ip);
	} else {
		struct iphdr *ip = data + p->l3;

		if ((void *)(ip + 1) > data_end || ip->ihl < 5)
			return false;
		p->id = ip->id;
		p->frag = ip->frag_off;
		p->check = ip->check;
		addr_map_v4(p->tuple.saddr, ip->saddr);
		addr_map_v4(p->tuple.daddr, ip->daddr);
		p->tuple.proto = ip->protocol;
		p->ttl = ip->ttl;
		p->len = bpf_ntohs(ip->tot_len);
		p->l4 = p->l3 + ip->ihl * 4;
	}
	return true;
}

static __always_inline bool pkt_is_later_fragment(const struct pkt *p)
{
	return p->frag & bpf_htons(IP_OFFSET);
}

static __always_inline bool pkt_is_fragment(const struct pkt *p)
{
	return p->frag & bpf_htons(IP_MF | IP_OFFSET);
}

static __always_inline enum pkt_kind pkt_parse(void *data, void *data_end, __u16 l3, bool v6,
					       struct pkt *p)
{
	void *l4;

	p->l3 = l3;
	if (!pkt_parse_ip(data, data_end, v6, p))
		return PKT_OTHER;
	if (!v6 && pkt_is_later_fragment(p))
		return p->tuple.proto == IPPROTO_TCP || p->tuple.proto == IPPROTO_UDP ?
			       PKT_FRAGMENT :
			       PKT_OTHER;
	l4 = data + p->l4;
	if (p->tuple.proto == IPPROTO_TCP) {
		struct tcphdr *tcp = l4;

		if ((void *)(tcp + 1) > data_end)
			return PKT_OTHER;
		p->tuple.sport = tcp->source;
		p->tuple.dport = tcp->dest;
		p->tcp_len = (((__u8 *)tcp)[12] >> 4) * 4;
		p->tcp_flags = ((__u8 *)tcp)[13];
		p->ports = true;
		return PKT_TRANSPORT;
	}
	if (p->tuple.proto == IPPROTO_UDP) {
		struct udphdr *udp = l4;

		if ((void *)(udp + 1) > data_end)
			return PKT_OTHER;
		p->tuple.sport = udp->source;
		p->tuple.dport = udp->dest;
		p->ports = true;
		return PKT_TRANSPORT;
	}
	if (p->tuple.proto == (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		struct icmp_error *icmp = l4;

		if ((void *)(icmp + 1) > data_end || pkt_is_fragment(p))
			return PKT_OTHER;
		if (icmp->type == (v6 ? ICMPV6_ECHO : ICMP_ECHO))
			return PKT_ECHO;
		return icmp_is_error(icmp->type, v6) ? PKT_ICMP_ERROR : PKT_OTHER;
	}
	return PKT_OTHER;
}

/* Offsets that were in memory have lost their bounds: the verifier has to see some. */
static __always_inline bool pkt_near(__u32 *off)
{
	barrier_var(*off);
	return *off <= PKT_NEAR;
}

/* The packet that an ICMP error quotes: at least its IP header and ports (RFC 792, RFC 4443). */
static __always_inline bool pkt_parse_quote(void *data, void *data_end, bool v6,
					    const struct pkt *error, struct pkt *quote)
{
	__u32 l3 = error->l4 + sizeof(struct icmp_error), l4;
	__be16 *ports;

	if (!pkt_near(&l3))
		return false;
	quote->l3 = l3;
	if (!pkt_parse_ip(data, data_end, v6, quote) || pkt_is_later_fragment(quote))
		return false;
	if (quote->tuple.proto != IPPROTO_TCP && quote->tuple.proto != IPPROTO_UDP)
		return false;
	l4 = quote->l4;
	if (!pkt_near(&l4))
		return false;
	ports = data + l4;
	if ((void *)(ports + 2) > data_end)
		return false;
	quote->tuple.sport = ports[0];
	quote->tuple.dport = ports[1];
	quote->ports = true;
	return true;
}

static __always_inline void tuple_reverse(const struct tuple *t, struct tuple *reversed)
{
	addr_copy(reversed->saddr, t->daddr);
	addr_copy(reversed->daddr, t->saddr);
	reversed->sport = t->dport;
	reversed->dport = t->sport;
	reversed->proto = t->proto;
}

static __always_inline bool tuple_equal(const struct tuple *a, const struct tuple *b, bool v6)
{
	__u32 diff = (a->sport ^ b->sport) | (a->dport ^ b->dport);
	int i;

	for (i = v6 ? 0 : 3; i < 4; i++)
		diff |= (a->saddr[i] ^ b->saddr[i]) | (a->daddr[i] ^ b->daddr[i]);
	return diff == 0;
}
