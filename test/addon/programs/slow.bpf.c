// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A program that runs for a good part of a second, and says when it began and ended.
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

static long step(__u32 i, __u32 *sum)
{
	*sum += i;
	return 0;
}

static long round(__u32 i, __u32 *sum)
{
	bpf_loop(1 << 22, step, sum, 0);
	*sum += i;
	return 0;
}

SEC("tc")
int slow(struct __sk_buff *skb)
{
	__u32 key = 0, sum = skb->len;
	struct progress *row = bpf_map_lookup_elem(&progress, &key);

	if (!row)
		return 0;
	row->started = 1;
	bpf_loop(64, round, &sum, 0);
	row->finished = 1;
	return sum != 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
