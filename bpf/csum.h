/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sums of the Internet checksum (RFC 1071, RFC 1624), in the byte order of the
 * packet. By hand, because a call of bpf_csum_diff costs more than the sum of
 * a few words.
 */
#pragma once

#include <linux/types.h>

/* Makes a sum of 32-bit words one that helpers take; 2^32 words do not overflow it. */
static __always_inline __wsum csum_narrow(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

/* The checksum of what was summed. */
static __always_inline __u16 csum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}
