/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rewrites a packet's addresses and ports, and keeps every checksum right.
 * Included after the door's io_*.h. Returns false when a helper failed: the
 * packet may be half written then and must be dropped.
 */
#pragma once

#include "pkt.h"

static __always_inline __wsum nat_addr_diff(bool v6, const struct tuple *before,
					    const struct tuple *after)
{
	__be32 from[2], to[2];

	if (v6) /* saddr and daddr lie side by side */
		return bpf_csum_diff((__be32 *)before->saddr, 32, (__be32 *)after->saddr, 32, 0);
	from[0] = before->saddr[3];
	from[1] = before->daddr[3];
	to[0] = after->saddr[3];
	to[1] = after->daddr[3];
	return bpf_csum_diff(from, sizeof(from), to, sizeof(to), 0);
}

static __always_inline __wsum nat_port_diff(const struct tuple *before, const struct tuple *after)
{
	__be16 from[2] = { before->sport, before->dport };
	__be16 to[2] = { after->sport, after->dport };

	return bpf_csum_diff((__be32 *)from, sizeof(from), (__be32 *)to, sizeof(to), 0);
}

/* Writes both addresses of the IP header at l3, and its own checksum. quoted:
 * the header lies in an ICMP error, whose checksum makes the change good. */
static __always_inline bool nat_store_addrs(ctx_t *ctx, bool v6, bool quoted, __u32 l3,
					    const struct tuple *after, __wsum diff)
{
	__be32 addrs[2];

	if (v6) {
		__u32 off = l3 + offsetof(struct ipv6hdr, saddr);

		return quoted ? ctx_store(ctx, off, after->saddr, 32) :
				ctx_store_summed(ctx, off, after->saddr, 32);
	}
	addrs[0] = after->saddr[3];
	addrs[1] = after->daddr[3];
	return ctx_store(ctx, l3 + offsetof(struct iphdr, saddr), addrs, sizeof(addrs)) &&
	       ctx_fix_l3(ctx, l3 + offsetof(struct iphdr, check), diff);
}

static __always_inline bool nat_store_ports(ctx_t *ctx, __u32 l4, const struct tuple *after)
{
	__be16 ports[2] = { after->sport, after->dport };

	return ctx_store(ctx, l4, ports, sizeof(ports));
}

static __always_inline bool nat_translate(ctx_t *ctx, bool v6, const struct pkt *p,
					  const struct tuple *after)
{
	bool udp = p->tuple.proto == IPPROTO_UDP;
	__u32 check =
		p->l4 + (udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
	__u64 flags = udp ? CSUM_UDP : 0; /* a zero checksum in UDP over IPv4 stays zero */
	__wsum diff = nat_addr_diff(v6, &p->tuple, after);

	if (!nat_store_addrs(ctx, v6, false, p->l3, after, diff) ||
	    !ctx_fix_l4(ctx, check, diff, flags | CSUM_PSEUDO))
		return false;
	if (p->tuple.sport == after->sport && p->tuple.dport == after->dport)
		return true;
	return nat_store_ports(ctx, p->l4, after) &&
	       ctx_fix_l4(ctx, check, nat_port_diff(&p->tuple, after), flags);
}

/*
 * Rewrites an ICMP error and the packet that it quotes. outer: addresses of the
 * error after translation; quoted: the quoted packet's tuple after translation.
 * The quoted transport checksum is left: RFC 5508 lets it, nobody checks it.
 */
static __always_inline bool nat_translate_error(ctx_t *ctx, bool v6, const struct pkt *error,
						const struct pkt *quote, const struct tuple *outer,
						const struct tuple *quoted)
{
	__u32 check = error->l4 + offsetof(struct icmp_error, checksum);
	__wsum outer_diff = nat_addr_diff(v6, &error->tuple, outer);
	__wsum quoted_diff = nat_addr_diff(v6, &quote->tuple, quoted);

	if (!nat_store_addrs(ctx, v6, false, error->l3, outer, outer_diff) ||
	    !nat_store_addrs(ctx, v6, true, quote->l3, quoted, quoted_diff) ||
	    !nat_store_ports(ctx, quote->l4, quoted))
		return false;
	if (v6) /* ICMPv6 sums the pseudo header, and the quoted header has no sum of its own */
		if (!ctx_fix_l4(ctx, check, outer_diff, CSUM_PSEUDO) ||
		    !ctx_fix_l4(ctx, check, quoted_diff, 0))
			return false;
	return ctx_fix_l4(ctx, check, nat_port_diff(&quote->tuple, quoted), 0);
}

/* One router less to live for; the caller has seen that it is more than 1. */
static __always_inline bool nat_decrement_ttl(ctx_t *ctx, bool v6, const struct pkt *p)
{
	__u8 ttl = p->ttl - 1;
	__be32 from, to;

	if (v6)
		return ctx_store_summed(ctx, p->l3 + offsetof(struct ipv6hdr, hop_limit), &ttl, 1);
	from = bpf_htonl((__u32)p->ttl << 24);
	to = bpf_htonl((__u32)ttl << 24);
	return ctx_store(ctx, p->l3 + offsetof(struct iphdr, ttl), &ttl, 1) &&
	       ctx_fix_l3(ctx, p->l3 + offsetof(struct iphdr, check),
			  bpf_csum_diff(&from, sizeof(from), &to, sizeof(to), 0));
}
