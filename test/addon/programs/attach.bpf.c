// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A pair of programs for each kind of link: one that lets things pass, one that does not. Those of interfaces count.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

enum counter { TC_PASSED, TC_DROPPED, XDP_PASSED, XDP_DROPPED };

static void count(__u32 counter)
{
	__u64 *row = bpf_map_lookup_elem(&packets, &counter);

	if (row)
		__sync_fetch_and_add(row, 1);
}

SEC("cgroup/connect4")
int allow(struct bpf_sock_addr *ctx)
{
	(void)ctx;
	return 1;
}

SEC("cgroup/connect4")
int deny(struct bpf_sock_addr *ctx)
{
	(void)ctx;
	return 0;
}

SEC("tc")
int tc_pass(struct __sk_buff *skb)
{
	(void)skb;
	count(TC_PASSED);
	return -1; /* TCX_NEXT */
}

SEC("tc")
int tc_drop(struct __sk_buff *skb)
{
	(void)skb;
	count(TC_DROPPED);
	return 2; /* TCX_DROP */
}

SEC("xdp")
int xdp_pass(struct xdp_md *ctx)
{
	(void)ctx;
	count(XDP_PASSED);
	return XDP_PASS;
}

SEC("xdp")
int xdp_drop(struct xdp_md *ctx)
{
	(void)ctx;
	count(XDP_DROPPED);
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
