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

/* Ethernet, IPv6, the largest IPv4 header in an ICMP error, and its quote. */
#define HEADERS_MAX 160

static __always_inline int tc_run(struct __sk_buff *ctx, __u16 l3, bool v6, bool ingress)
{
	struct pkt p = {};
	enum pkt_kind kind;

	kind = pkt_parse((void *)(long)ctx->data, (void *)(long)ctx->data_end, l3, v6, &p);
	if (kind == PKT_TRANSPORT)
		return ingress ? lb_ingress(ctx, v6, &p) : lb_egress(ctx, v6, &p);
	if (kind == PKT_ICMP_ERROR)
		return lb_icmp_error(ctx, v6, ingress, &p);
	return VERDICT_PASS;
}

static __always_inline int tc_enter(struct __sk_buff *ctx, __u16 l3, bool ingress)
{
	__u32 len = ctx->len < HEADERS_MAX ? ctx->len : HEADERS_MAX;

	/* headers may lie in fragments of the skb (GRO, some drivers) */
	if ((void *)(long)ctx->data + len > (void *)(long)ctx->data_end)
		bpf_skb_pull_data(ctx, len);
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
