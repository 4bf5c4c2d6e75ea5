// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A program that runs for a good part of a second, and counts when it begins and when it ends.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct progress {
	__u32 started;
	__u32 finished;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct progress);
} progress SEC(".maps");

/* bpf_loop came with Linux 5.17; but a global function is verified once, however often it is called. */
#define GLOBAL __attribute__((noinline))

GLOBAL int step(__u32 sum)
{
	for (__u32 i = 0; i < 1 << 12; i++) {
		sum += i;
		barrier_var(sum);
	}
	return sum;
}

GLOBAL int turn(__u32 sum)
{
	for (__u32 i = 0; i < 1 << 10; i++)
		sum = step(sum);
	return sum;
}

SEC("tc")
int slow(struct __sk_buff *skb)
{
	__u32 key = 0, sum = skb->len;
	struct progress *row = bpf_map_lookup_elem(&progress, &key);

	if (!row)
		return 0;
	row->started++;
	for (__u32 i = 0; i < 64; i++)
		sum = turn(sum);
	row->finished++;
	return sum != 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
