/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rewrites a packet's addresses and ports, and keeps every checksum right.
 * Included after the door's io_*.h. Returns false when a helper failed: the
 * packet may be half written then and must be dropped.
 */
#pragma once

#include "csum.h"
#include "pkt.h"

static __always_inline __wsum nat_addr_diff(bool v6, const struct tuple *before,
					    const struct tuple *after)
{
	__u64 sum = 0;
	int i;

	for (i = v6 ? 0 : 3; i < 4; i++) {
		sum += (__u32)~before->saddr[i];
		sum += (__u32)~before->daddr[i];
		sum += after->saddr[i];
		sum += after->daddr[i];
	}
	barrier_var(sum); /* the sum be kept until it is needed, not all its words */
	return csum_narrow(sum);
}

static __always_inline __wsum nat_port_diff(const struct tuple *before, const struct tuple *after)
{
	return (__u32)(__u16)~before->sport + (__u16)~before->dport + after->sport + after->dport;
}

/* The parts of headers that change, and what lies between them: one store costs
 * less than one for each. Behind IPv4 options the ports lie elsewhere. */
struct nat_header4 {
	__u8 ttl;
	__u8 proto;
	__u16 check;
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
};

struct nat_header6 {
	__be16 payload_len;
	__u8 nexthdr;
	__u8 hop_limit;
	__be32 saddr[4];
	__be32 daddr[4];
};

/*
 * Writes TTL, addresses and ports. diff: of the addresses; it mends the IPv4
 * header's own checksum. quoted: the header lies in an ICMP error, whose checksum
 * makes the change good.
 */
static __always_inline bool nat_store(ctx_t *ctx, bool v6, bool quoted, const struct pkt *p,
				      const struct tuple *after, __u8 ttl, __wsum diff)
{
	__be16 ports[2] = { after->sport, after->dport };

	if (v6) {
		__u32 off = p->l3 + offsetof(struct ipv6hdr, payload_len);
		struct nat_header6 h = { .payload_len = bpf_htons(p->len - sizeof(struct ipv6hdr)),
					 .nexthdr = p->tuple.proto,
					 .hop_limit = ttl };

		addr_copy(h.saddr, after->saddr);
		addr_copy(h.daddr, after->daddr);
		if (!(quoted ? ctx_store(ctx, off, &h, sizeof(h)) :
			       ctx_store_summed(ctx, off, &h, sizeof(h))))
			return false;
	} else {
		__u32 off = p->l3 + offsetof(struct iphdr, ttl);
		struct nat_header4 h = { .ttl = ttl,
					 .proto = p->tuple.proto,
					 .saddr = after->saddr[3],
					 .daddr = after->daddr[3],
					 .sport = after->sport,
					 .dport = after->dport };
		__u64 sum = (__u64)diff + (__u16)~p->check;

		sum += bpf_htons(ttl << 8) + (__u16)~bpf_htons(p->ttl << 8);
		h.check = csum_fold(csum_narrow(sum));
		if (p->ports && p->l4 == p->l3 + sizeof(struct iphdr))
			return ctx_store(ctx, off, &h, sizeof(h));
		if (!ctx_store(ctx, off, &h, offsetof(struct nat_header4, sport)))
			return false;
	}
	return !p->ports || (after->sport == p->tuple.sport && after->dport == p->tuple.dport) ||
	       ctx_store(ctx, p->l4, ports, sizeof(ports));
}

static __always_inline bool nat_translate(ctx_t *ctx, bool v6, const struct pkt *p,
					  const struct tuple *after, __u8 ttl)
{
	bool udp = p->tuple.proto == IPPROTO_UDP;
	__u32 check =
		p->l4 + (udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
	__u64 flags = udp ? CSUM_UDP : 0; /* a zero checksum in UDP over IPv4 stays zero */
	__wsum diff = nat_addr_diff(v6, &p->tuple, after);

	if (!nat_store(ctx, v6, false, p, after, ttl, diff) ||
	    !ctx_fix_l4(ctx, check, diff, flags | CSUM_PSEUDO))
		return false;
	if (p->tuple.sport == after->sport && p->tuple.dport == after->dport)
		return true;
	return ctx_fix_l4(ctx, check, nat_port_diff(&p->tuple, after), flags);
}

/*
 * Rewrites an ICMP error and the packet that it quotes. outer: addresses of the
 * error after translation; quoted: the quoted packet's tuple after translation.
 * The quoted transport checksum is left: RFC 5508 lets it, nobody checks it.
 */
static __always_inline bool nat_translate_error(ctx_t *ctx, bool v6, const struct pkt *error,
						const struct pkt *quote, const struct tuple *outer,
						const struct tuple *quoted, __u8 ttl)
{
	__u32 check = error->l4 + offsetof(struct icmp_error, checksum);
	__wsum outer_diff = nat_addr_diff(v6, &error->tuple, outer);
	__wsum quoted_diff = nat_addr_diff(v6, &quote->tuple, quoted);

	if (!nat_store(ctx, v6, false, error, outer, ttl, outer_diff) ||
	    !nat_store(ctx, v6, true, quote, quoted, quote->ttl, quoted_diff))
		return false;
	if (v6) /* ICMPv6 sums the pseudo header, and the quoted header has no sum of its own */
		if (!ctx_fix_l4(ctx, check, outer_diff, CSUM_PSEUDO) ||
		    !ctx_fix_l4(ctx, check, quoted_diff, 0))
			return false;
	return ctx_fix_l4(ctx, check, nat_port_diff(&quote->tuple, quoted), 0);
}
