/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How the shared code touches a packet at tc: through helpers, because only
 * they know whether the skb's checksum is partial, complete or done.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define ctx_t struct __sk_buff

#define VERDICT_PASS TC_ACT_UNSPEC /* on to the next program, then the stack */
#define VERDICT_DROP TC_ACT_SHOT

#define CSUM_PSEUDO BPF_F_PSEUDO_HDR
#define CSUM_UDP BPF_F_MARK_MANGLED_0

static __always_inline bool ctx_store(ctx_t *ctx, __u32 off, const void *from, __u32 len)
{
	return bpf_skb_store_bytes(ctx, off, from, len, 0) == 0;
}

/* For bytes whose change is made good only by a checksum with a pseudo header
 * (IPv6 addresses): without the flag CHECKSUM_COMPLETE would be counted twice. */
static __always_inline bool ctx_store_summed(ctx_t *ctx, __u32 off, const void *from, __u32 len)
{
	return bpf_skb_store_bytes(ctx, off, from, len, BPF_F_RECOMPUTE_CSUM) == 0;
}

/* diff: a 32-bit one's complement difference, as bpf_csum_diff gives it. */
static __always_inline bool ctx_fix_l3(ctx_t *ctx, __u32 off, __wsum diff)
{
	return bpf_l3_csum_replace(ctx, off, 0, diff, 0) == 0;
}

static __always_inline bool ctx_fix_l4(ctx_t *ctx, __u32 off, __wsum diff, __u64 flags)
{
	return bpf_l4_csum_replace(ctx, off, 0, diff, flags) == 0;
}

/* How many packets this skb becomes on the wire. */
static __always_inline __u32 ctx_segments(const ctx_t *ctx, __u32 headers, __u32 ip_len)
{
	__u32 size = ctx->gso_size;

	return size ? (ip_len - headers + size - 1) / size : 1;
}

/* Bytes on the wire of the largest segment this skb becomes, from the IP header on. */
static __always_inline __u32 ctx_segment_len(const ctx_t *ctx, __u32 headers, __u32 ip_len)
{
	return ctx->gso_size ? headers + ctx->gso_size : ip_len;
}
