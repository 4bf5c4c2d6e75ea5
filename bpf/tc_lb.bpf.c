/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The per-packet path at tc, on uplinks: ingress translates what comes from
 * outside, egress undoes it for backends on this node. Doors only; the body is
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
 * copies, so no more is asked for than a packet needs. */
static __always_inline void tc_pull(struct __sk_buff *ctx, __u32 len)
{
	if (len > ctx->len)
		len = ctx->len;
	if ((void *)(long)ctx->data + len > (void *)(long)ctx->data_end)
		bpf_skb_pull_data(ctx, len);
}

static __always_inline bool tc_has_options(const struct __sk_buff *ctx, __u16 l3)
{
	struct iphdr *ip = (void *)(long)ctx->data + l3;

	return (void *)(ip + 1) <= (void *)(long)ctx->data_end && ip->ihl > 5;
}

static __always_inline int tc_run(struct __sk_buff *ctx, __u16 l3, bool v6, bool ingress)
{
	struct pkt p = {};

	tc_pull(ctx,
		l3 + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + sizeof(struct tcphdr));
	if (!v6 && tc_has_options(ctx, l3))
		tc_pull(ctx, HEADERS_MAX);
	switch (pkt_parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, l3, v6, &p)) {
	case PKT_TRANSPORT:
		return ingress ? lb_ingress(ctx, v6, &p) : lb_egress(ctx, v6, &p);
	case PKT_FRAGMENT:
		return ingress ? VERDICT_PASS : lb_egress_cut4(ctx, &p);
	case PKT_ICMP_ERROR:
		tc_pull(ctx, HEADERS_MAX);
		return v6 ? lb_icmp_error6(ctx, ingress, &p) : lb_icmp_error4(ctx, ingress, &p);
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
