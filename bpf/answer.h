/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers that need no backend: a TCP reset (RFC 9293, 3.10.7.1) and ICMP
 * errors (RFC 792, RFC 4443). The packet itself is made into the answer and
 * goes back where it came from. tc only.
 */
#pragma once

#include <linux/bpf.h>
#include "csum.h"
#include "io_tc.h"
#include "nat.h"
#include "pkt.h"

#define ANSWER_TTL 64
/* type and code */
#define ICMP_PORT_UNREACH 0x0303
#define ICMP_FRAG_NEEDED 0x0304
#define ICMPV6_PORT_UNREACH 0x0104
#define ICMPV6_PKT_TOOBIG 0x0200

static __always_inline bool answer_swap_mac(ctx_t *ctx, __u16 l3)
{
	__u8 mac[12], swapped[12];

	if (l3 == 0) /* a device without link layer */
		return true;
	if (bpf_skb_load_bytes(ctx, 0, mac, sizeof(mac)))
		return false;
	__builtin_memcpy(swapped, mac + 6, 6);
	__builtin_memcpy(swapped + 6, mac, 6);
	return ctx_store(ctx, 0, swapped, sizeof(swapped));
}

/* Writes a fresh IP header, from the packet's destination to its source. */
static __always_inline bool answer_store_ip(ctx_t *ctx, bool v6, const struct pkt *p, __u8 proto,
					    __u16 payload)
{
	if (v6) {
		struct ipv6hdr ip = { .version = 6, .nexthdr = proto, .hop_limit = ANSWER_TTL };

		ip.payload_len = bpf_htons(payload);
		addr_copy((__be32 *)&ip.saddr, p->tuple.daddr);
		addr_copy((__be32 *)&ip.daddr, p->tuple.saddr);
		return bpf_skb_store_bytes(ctx, p->l3, &ip, sizeof(ip), BPF_F_RECOMPUTE_CSUM) == 0;
	} else {
		struct iphdr ip = { .version = 4, .ihl = 5, .ttl = ANSWER_TTL, .protocol = proto };

		ip.tot_len = bpf_htons(sizeof(ip) + payload);
		ip.frag_off = bpf_htons(IP_DF);
		ip.saddr = p->tuple.daddr[3];
		ip.daddr = p->tuple.saddr[3];
		ip.check = csum_fold(bpf_csum_diff(0, 0, (__be32 *)&ip, sizeof(ip), 0));
		return bpf_skb_store_bytes(ctx, p->l3, &ip, sizeof(ip), BPF_F_RECOMPUTE_CSUM) == 0;
	}
}

/* The pseudo header from the packet's destination to its source. */
static __always_inline __u32 answer_pseudo_sum(bool v6, const struct pkt *p, __u8 proto, __u16 len)
{
	__be32 words[2] = { bpf_htonl(len), bpf_htonl(proto) };
	__u32 sum = bpf_csum_diff(0, 0, words, sizeof(words), 0);

	if (v6)
		return bpf_csum_diff(0, 0, (__be32 *)p->tuple.saddr, 32, sum);
	words[0] = p->tuple.saddr[3];
	words[1] = p->tuple.daddr[3];
	return bpf_csum_diff(0, 0, words, sizeof(words), sum);
}

/*
 * Sets a full checksum without knowing whether the skb's is partial: there the
 * field must hold the pseudo header's sum alone, which the first step mends for
 * the new length; the second is ignored there and makes it full elsewhere.
 */
static __always_inline bool answer_set_l4_check(ctx_t *ctx, __u32 off, __u16 check, __wsum len_diff)
{
	__u16 now;

	if (!ctx_fix_l4(ctx, off, len_diff, CSUM_PSEUDO) ||
	    bpf_skb_load_bytes(ctx, off, &now, sizeof(now)))
		return false;
	/* csum_replace_by_diff: field = ~(~field + diff) */
	return ctx_fix_l4(ctx, off, (__u32)now + (__u16)~check, 0);
}

/* Refuses a TCP segment. A reset is never answered. */
static __always_inline int answer_reset(ctx_t *ctx, bool v6, const struct pkt *p)
{
	__u16 ip_len = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	__u16 l4 = p->l3 + ip_len, options = p->l4 - l4;
	__u16 old_len = p->len - (p->l4 - p->l3);
	__be32 from = bpf_htonl(old_len), to = bpf_htonl(sizeof(struct tcphdr));
	struct tcphdr in, out = {};
	__u32 sum;

	if ((p->tcp_flags & TCP_RST) || bpf_skb_load_bytes(ctx, p->l4, &in, sizeof(in)))
		return VERDICT_DROP;
	out.source = in.dest;
	out.dest = in.source;
	out.doff = sizeof(out) / 4;
	out.rst = 1;
	if (in.ack) {
		out.seq = in.ack_seq;
	} else {
		out.ack = 1;
		out.ack_seq =
			bpf_htonl(bpf_ntohl(in.seq) + old_len - in.doff * 4 + in.syn + in.fin);
	}
	sum = answer_pseudo_sum(v6, p, IPPROTO_TCP, sizeof(out));
	sum = bpf_csum_diff(0, 0, (__be32 *)&out, sizeof(out), sum);
	out.check = in.check;

	/* The room of options is cut out from before the TCP header, which stays
	 * where a partial checksum starts. */
	if (bpf_skb_change_tail(ctx, p->l4 + sizeof(out), 0) ||
	    (options && bpf_skb_adjust_room(ctx, -options, BPF_ADJ_ROOM_NET, 0)) ||
	    !answer_store_ip(ctx, v6, p, IPPROTO_TCP, sizeof(out)) ||
	    bpf_skb_store_bytes(ctx, l4, &out, sizeof(out), BPF_F_RECOMPUTE_CSUM) ||
	    !answer_set_l4_check(ctx, l4 + offsetof(struct tcphdr, check), csum_fold(sum),
				 bpf_csum_diff(&from, sizeof(from), &to, sizeof(to), 0)) ||
	    !answer_swap_mac(ctx, p->l3))
		return VERDICT_DROP;
	return bpf_redirect(ctx->ifindex, 0);
}

/* How much the error quotes: the IP header with its options, ports always; of TCP
 * the whole fixed header, because an skb with a partial checksum cannot be cut
 * before it. */
#define QUOTE_TCP (sizeof(struct tcphdr))
#define QUOTE_UDP (sizeof(struct udphdr))
#define QUOTE_MAX (60 + QUOTE_TCP)

/*
 * A partial checksum is completed where the skb leaves this machine, which then
 * changes the quote under the ICMP checksum, and no helper takes that note off
 * the skb. So the field gets the value that completing leaves as it is:
 * x = ~(rest + x), thus x = ~rest / 2, and half of a one's complement number is
 * its rotation.
 */
static __always_inline bool answer_settle_quote(ctx_t *ctx, const struct pkt *p)
{
	bool tcp = p->tuple.proto == IPPROTO_TCP;
	__u32 off = p->l4 + (tcp ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check));
	__be32 quoted[QUOTE_TCP / 4] = {};
	__u16 before, after, half;

	/* only a whole checksum is changed by a difference without pseudo header */
	if (bpf_skb_load_bytes(ctx, off, &before, sizeof(before)) || !ctx_fix_l4(ctx, off, 1, 0) ||
	    bpf_skb_load_bytes(ctx, off, &after, sizeof(after)))
		return false;
	if (before == after) {
		if (bpf_skb_load_bytes(ctx, p->l4, quoted, tcp ? QUOTE_TCP : QUOTE_UDP))
			return false;
		half = csum_fold(bpf_csum_diff(0, 0, quoted, sizeof(quoted), (__u16)~before));
		before = half >> 1 | half << 15;
	}
	return bpf_skb_store_bytes(ctx, off, &before, sizeof(before), 0) == 0;
}

static __always_inline int answer_icmp(ctx_t *ctx, bool v6, struct pkt *p, __u16 kind, __u16 mtu)
{
	__u16 ip_len = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	__u16 room = ip_len + sizeof(struct icmp_error);
	__u8 proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	struct icmp_error icmp = { .type = kind >> 8, .code = kind, .info = bpf_htonl(mtu) };
	__u32 quote_len = p->l4 - p->l3;
	__u8 quote[QUOTE_MAX] = {};
	__u32 sum = 0;

	quote_len += p->tuple.proto == IPPROTO_TCP ? QUOTE_TCP : QUOTE_UDP;
	if (bpf_skb_change_tail(ctx, p->l3 + quote_len, 0) || !answer_settle_quote(ctx, p))
		return VERDICT_DROP;
	barrier_var(quote_len); /* the verifier has to see both bounds, in two comparisons */
	if (quote_len > sizeof(quote))
		return VERDICT_DROP;
	barrier_var(quote_len);
	if (quote_len < ip_len || bpf_skb_load_bytes(ctx, p->l3, quote, quote_len))
		return VERDICT_DROP;
	if (v6)
		sum = answer_pseudo_sum(true, p, proto, sizeof(icmp) + quote_len);
	sum = bpf_csum_diff(0, 0, (__be32 *)&icmp, sizeof(icmp), sum);
	sum = bpf_csum_diff(0, 0, (__be32 *)quote, sizeof(quote), sum); /* zeros add nothing */
	icmp.checksum = csum_fold(sum);

	if (bpf_skb_adjust_room(ctx, room, BPF_ADJ_ROOM_MAC, 0) ||
	    !answer_store_ip(ctx, v6, p, proto, sizeof(icmp) + quote_len) ||
	    bpf_skb_store_bytes(ctx, p->l3 + ip_len, &icmp, sizeof(icmp), BPF_F_RECOMPUTE_CSUM) ||
	    !answer_swap_mac(ctx, p->l3))
		return VERDICT_DROP;
	return bpf_redirect(ctx->ifindex, 0);
}

static __noinline int answer_icmp4(ctx_t *ctx, struct pkt *p, __u16 kind, __u16 mtu)
{
	return answer_icmp(ctx, false, p, kind, mtu);
}

static __noinline int answer_icmp6(ctx_t *ctx, struct pkt *p, __u16 kind, __u16 mtu)
{
	return answer_icmp(ctx, true, p, kind, mtu);
}

static __always_inline int answer_too_big(ctx_t *ctx, bool v6, struct pkt *p, __u16 mtu)
{
	return v6 ? answer_icmp6(ctx, p, ICMPV6_PKT_TOOBIG, mtu) :
		    answer_icmp4(ctx, p, ICMP_FRAG_NEEDED, mtu);
}

static __noinline int answer_reset4(ctx_t *ctx, const struct pkt *p)
{
	return answer_reset(ctx, false, p);
}

static __noinline int answer_reset6(ctx_t *ctx, const struct pkt *p)
{
	return answer_reset(ctx, true, p);
}

/* Tells the client that nobody serves this frontend. */
static __always_inline int answer_refuse(ctx_t *ctx, bool v6, struct pkt *p)
{
	if (p->tuple.proto == IPPROTO_TCP)
		return v6 ? answer_reset6(ctx, p) : answer_reset4(ctx, p);
	return v6 ? answer_icmp6(ctx, p, ICMPV6_PORT_UNREACH, 0) :
		    answer_icmp4(ctx, p, ICMP_PORT_UNREACH, 0);
}

#define ICMP_ECHO_REPLY 0
#define ICMPV6_ECHO_REPLY 129

/* Answers a ping. Swapped addresses leave every sum over them as it was. */
static __always_inline int answer_echo(ctx_t *ctx, bool v6, const struct pkt *p)
{
	__u8 ping = v6 ? ICMPV6_ECHO : ICMP_ECHO, pong = v6 ? ICMPV6_ECHO_REPLY : ICMP_ECHO_REPLY;
	__u32 check = p->l4 + offsetof(struct icmp_error, checksum);
	struct tuple back;

	tuple_reverse(&p->tuple, &back);
	if (!nat_store(ctx, v6, false, p, &back, ANSWER_TTL, 0) ||
	    !ctx_store(ctx, p->l4, &pong, sizeof(pong)) ||
	    !ctx_fix_l4(ctx, check, bpf_htons(pong << 8) + (__u16)~bpf_htons(ping << 8), 0) ||
	    !answer_swap_mac(ctx, p->l3))
		return VERDICT_DROP;
	return bpf_redirect(ctx->ifindex, 0);
}
