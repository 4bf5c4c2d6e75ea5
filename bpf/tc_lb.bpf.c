/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The per-packet path at tc, on uplinks and on the devices of pods: ingress
 * translates what clients send, egress undoes it for them. Doors only; the body is
 * in lb.h. The _l3 doors are for devices without a link layer header.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "io_tc.h"
#include "lb.h"

/* The largest headers of all: Ethernet, an IPv4 header with options, ICMP, and
 * what an error quotes: such a header and ports. */
#define HEADERS_MAX (ETH_HLEN + 60 + sizeof(struct icmp_error) + 60 + sizeof(struct udphdr))

/* Headers may lie in fragments of the skb (GRO, senders on this machine). Pulling
 * copies, and moves what the kernel will cut by where it lies (SCTP, lists of UDP
 * packets), so no more is asked for than a packet needs. */
static __always_inline void tc_pull(struct __sk_buff *ctx, __u32 len)
{
	if (len > ctx->len)
		len = ctx->len;
	if ((void *)(long)ctx->data + len > (void *)(long)ctx->data_end)
		bpf_skb_pull_data(ctx, len);
}

/* 0: none of our business. */
static __always_inline __u32 tc_l4_len(__u8 proto, __u8 icmp)
{
	if (proto == IPPROTO_TCP)
		return sizeof(struct tcphdr);
	return proto == IPPROTO_UDP || proto == icmp ? sizeof(struct udphdr) : 0;
}

/* From the packet's start, what has to be read of it. 0: nothing. */
static __always_inline __u32 tc_headers(const struct __sk_buff *ctx, __u16 l3, bool v6)
{
	void *data_end = (void *)(long)ctx->data_end, *ip = (void *)(long)ctx->data + l3;
	struct ipv6hdr *ip6 = ip;
	struct iphdr *ip4 = ip;
	__u32 l4;

	if (v6) {
		if ((void *)(ip6 + 1) > data_end)
			return 0;
		l4 = tc_l4_len(ip6->nexthdr, IPPROTO_ICMPV6);
		return l4 ? l3 + sizeof(*ip6) + l4 : 0;
	}
	if ((void *)(ip4 + 1) > data_end)
		return 0;
	l4 = tc_l4_len(ip4->protocol, IPPROTO_ICMP);
	if (l4 && ip4->ihl > 5)
		return HEADERS_MAX;
	return l4 ? l3 + sizeof(*ip4) + l4 : 0;
}

static __always_inline int tc_run(struct __sk_buff *ctx, __u16 l3, bool v6, bool ingress)
{
	struct pkt p = {};
	__u32 headers;

	tc_pull(ctx, l3 + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)));
	headers = tc_headers(ctx, l3, v6);
	if (headers == 0)
		return VERDICT_PASS;
	tc_pull(ctx, headers);
	switch (pkt_parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, l3, v6, &p)) {
	case PKT_TRANSPORT:
		return ingress ? lb_ingress(ctx, v6, &p) : lb_egress(ctx, v6, &p);
	case PKT_FRAGMENT:
		return ingress ? VERDICT_PASS : lb_egress_cut4(ctx, &p);
	case PKT_ICMP_ERROR:
		tc_pull(ctx, HEADERS_MAX);
		return v6 ? lb_icmp_error6(ctx, ingress, &p) : lb_icmp_error4(ctx, ingress, &p);
	case PKT_ECHO:
		return ingress ? unserved_echo(ctx, v6, &p) : VERDICT_PASS;
	default:
		return VERDICT_PASS;
	}
}

static __always_inline int tc_enter(struct __sk_buff *ctx, __u16 l3, bool ingress)
{
	if (ctx->protocol == bpf_htons(ETH_P_IP))
		return tc_run(ctx, l3, false, ingress);
	if (ctx->protocol == bpf_htons(ETH_P_IPV6))
		return tc_run(ctx, l3, true, ingress);
	return VERDICT_PASS;
}

SEC("tc")
int tc_ingress(struct __sk_buff *ctx)
{
	return tc_enter(ctx, ETH_HLEN, true);
}

SEC("tc")
int tc_egress(struct __sk_buff *ctx)
{
	return tc_enter(ctx, ETH_HLEN, false);
}

SEC("tc")
int tc_ingress_l3(struct __sk_buff *ctx)
{
	return tc_enter(ctx, 0, true);
}

SEC("tc")
int tc_egress_l3(struct __sk_buff *ctx)
{
	return tc_enter(ctx, 0, false);
}
