// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One program that loads and one that the verifier refuses, after a log of some length.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} table SEC(".maps");

SEC("tc")
int sound(struct __sk_buff *skb)
{
	(void)skb;
	return 0;
}

SEC("tc")
int unsound(struct __sk_buff *skb)
{
	__u32 key = 0, sum = 0;
	__u64 *row;

#pragma unroll
	for (int i = 0; i < 64; i++)
		sum += bpf_get_prandom_u32() & skb->len;
	row = bpf_map_lookup_elem(&table, &key);
	return *row + sum;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
