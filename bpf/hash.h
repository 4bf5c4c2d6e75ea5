/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hash that picks a slot: MurmurHash3 (A. Appleby, x86_32) over 32-bit
 * words, with a fixed seed, because every node must pick the same backend for
 * the same client.
 */
#pragma once

#include <linux/types.h>

#define HASH_SEED 0x62706673 /* "bpfs" */

static __always_inline __u32 hash_word(__u32 h, __u32 word)
{
	word *= 0xcc9e2d51;
	word = (word << 15) | (word >> 17);
	word *= 0x1b873593;
	h ^= word;
	h = (h << 13) | (h >> 19);
	return h * 5 + 0xe6546b64;
}

static __always_inline __u32 hash_finish(__u32 h)
{
	h ^= h >> 16;
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	return h ^ (h >> 16);
}

/* 0 <= result < range, without a division. */
static __always_inline __u32 hash_scale(__u32 h, __u32 range)
{
	return ((__u64)h * range) >> 32;
}
