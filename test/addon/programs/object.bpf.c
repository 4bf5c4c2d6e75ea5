// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Something of everything that an object file may bring along.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct limits {
	__u32 low;
	__u32 high;
};

const volatile struct limits limits = { 1, 2 };
static const volatile __u64 secret = 3;
const volatile __u8 flag = 4;
__u32 answer = 42;
__u64 seen;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} words SEC(".maps");

/* Its verdict is the low half of a word that user space writes by mmap. */
SEC("tc")
int read_word(struct __sk_buff *skb)
{
	__u32 key = skb->mark;
	__u64 *word = bpf_map_lookup_elem(&words, &key);

	return word ? (int)*word : -1;
}

/* Its verdict tells what the variables were when it was loaded. */
SEC("tc")
int read_variables(struct __sk_buff *skb)
{
	seen += skb->len;
	return limits.low + limits.high * 10 + (__u32)secret * 100 + flag * 1000 + answer * 10000;
}

/* The mark goes up by one, the first byte becomes 0xee, four bytes are added at the end. */
SEC("tc")
int change_packet(struct __sk_buff *skb)
{
	__u8 byte = 0xee;

	skb->mark++;
	if (bpf_skb_change_tail(skb, skb->len + 4, 0))
		return -1;
	return bpf_skb_store_bytes(skb, 0, &byte, sizeof(byte), 0);
}

SEC("xdp")
int drop_frame(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
