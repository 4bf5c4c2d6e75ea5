// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Writes records that carry their number. What did not fit into the ring is counted. One thread runs it, and counts without
// atomic instructions that give a value: Linux 5.10 has none.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} events SEC(".maps");

__u64 written;
__u64 refused;

static int emit(__u32 size)
{
	__u8 *record = bpf_ringbuf_reserve(&events, size, 0);

	if (!record) {
		refused++;
		return 0;
	}
	*(__u64 *)record = written++;
	record[size - 1] = 0x7f;
	bpf_ringbuf_submit(record, 0);
	return 1;
}

SEC("tc")
int emit_small(struct __sk_buff *skb)
{
	(void)skb;
	return emit(13);
}

SEC("tc")
int emit_large(struct __sk_buff *skb)
{
	(void)skb;
	return emit(32768);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
