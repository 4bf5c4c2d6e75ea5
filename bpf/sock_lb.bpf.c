/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Socket load balancing: a process that connects or sends to a frontend gets
 * one of its backends, once, before the first packet exists.
 *
 * connect4/6       choose and rewrite the peer; remember what was asked for
 * sendmsg4/6       the same for each datagram of an unconnected socket
 * recvmsg4/6       show the frontend as the sender of a backend's datagram
 * getpeername4/6   show the frontend as the peer
 * sock_release     forget the socket
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/errno.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "affinity.h"
#include "client.h"
#include "svc.h"
#include "verdict.h"

#define SOCK_REFUSE 0
#define SOCK_PROCEED 1

static __always_inline void ctx_get_addr(const struct bpf_sock_addr *ctx, bool v6, __be32 addr[4])
{
	if (v6) {
		addr[0] = ctx->user_ip6[0];
		addr[1] = ctx->user_ip6[1];
		addr[2] = ctx->user_ip6[2];
		addr[3] = ctx->user_ip6[3];
	} else {
		addr[0] = 0;
		addr[1] = 0;
		addr[2] = IN6_MAPPED_PREFIX;
		addr[3] = ctx->user_ip4;
	}
}

static __always_inline void ctx_set_addr(struct bpf_sock_addr *ctx, bool v6, const __u8 bytes[16])
{
	const __be32 *addr = (const __be32 *)bytes;

	if (v6) {
		ctx->user_ip6[0] = addr[0];
		ctx->user_ip6[1] = addr[1];
		ctx->user_ip6[2] = addr[2];
		ctx->user_ip6[3] = addr[3];
	} else {
		ctx->user_ip4 = addr[3];
	}
}

static __always_inline bool netns_opted_out(struct bpf_sock_addr *ctx)
{
	struct netns_key key = {};

	if (!cfg_has_netns_cookie)
		return false;
	key.cookie = bpf_get_netns_cookie(ctx);
	return bpf_map_lookup_elem(&netns_opt_outs, &key);
}

/* A pod's loopback is its own: only the node's carries NodePorts. */
static __always_inline bool in_host_netns(struct bpf_sock_addr *ctx)
{
	if (!cfg_has_netns_cookie)
		return false;
	if (cfg_host_netns)
		return bpf_get_netns_cookie(ctx) == cfg_host_netns;
	return bpf_get_netns_cookie(ctx) == bpf_get_netns_cookie(0);
}

static __always_inline struct frontend *sock_lookup(struct bpf_sock_addr *ctx, const __be32 addr[4],
						    __be16 port, __u8 proto)
{
	struct frontend *fe;

	if (addr_is_loopback(addr))
		return in_host_netns(ctx) ? svc_lookup_node_port(addr, port, proto) : 0;
	fe = svc_lookup(addr, port, proto);
	if (fe)
		return fe;
	fe = svc_lookup_node_port(addr, port, proto);
	return fe && node_addr_has_node_ports(addr) ? fe : 0;
}

static __always_inline int sock_refuse(int error, enum drop_reason reason)
{
	drop_count(reason, 0);
	if (cfg_has_set_retval)
		bpf_set_retval(-error);
	return SOCK_REFUSE;
}

/* A socket that connects again, or ends. */
static __always_inline void sock_forget(const struct socket_key *key)
{
	struct socket *row = bpf_map_lookup_elem(&sockets, key);

	if (!row)
		return;
	conns_add(row->service, row->backend, 0, -1);
	bpf_map_delete_elem(&sockets, key);
}

/* Remembers what the process asked for; one row a connected socket, one row a
 * datagram socket and backend otherwise. */
static __always_inline void sock_remember(__u64 cookie, bool connected, const __be32 addr[4],
					  __be16 port, __u8 proto, const struct frontend *fe,
					  const struct backend *backend, __u32 id)
{
	struct udp_peer_key peer_key = { .cookie = cookie, .port = backend->port };
	struct udp_peer peer = { .port = port, .service = fe->service, .backend = id };
	struct udp_peer *known;

	if (connected) {
		struct socket_key key = { .cookie = cookie };
		struct socket row = {
			.port = port, .proto = proto, .service = fe->service, .backend = id
		};

		__builtin_memcpy(row.addr, addr, sizeof(row.addr));
		sock_forget(&key);
		bpf_map_update_elem(&sockets, &key, &row, BPF_ANY);
		conns_add(fe->service, id, 1, 1);
		return;
	}
	__builtin_memcpy(peer_key.addr, backend->addr, sizeof(peer_key.addr));
	__builtin_memcpy(peer.addr, addr, sizeof(peer.addr));
	known = bpf_map_lookup_elem(&udp_peers, &peer_key);
	if (!known)
		conns_add(fe->service, id, 1, 0); /* nothing tells of its end */
	else if (__builtin_memcmp(known, &peer, sizeof(peer)) == 0)
		return; /* an update costs ten times a lookup */
	bpf_map_update_elem(&udp_peers, &peer_key, &peer, BPF_ANY);
}

enum sock_ranges {
	RANGES_ALLOW,
	RANGES_DENY,
	RANGES_BY_PACKET, /* the address is not known yet; a door on the pod's device will see it */
};

/* Source ranges ask for an address, which a socket has only once it is bound. The
 * host's is known; of pods the plan says what holds for all of them. */
static __always_inline enum sock_ranges
sock_check_ranges(struct bpf_sock_addr *ctx, const struct frontend *fe, const __be32 addr[4])
{
	struct control *row = control_row();
	__be32 client[4] = { 0, 0, IN6_MAPPED_PREFIX, 0 };

	if (!row)
		return RANGES_DENY;
	if (!in_host_netns(ctx)) {
		if (fe->flags & FRONTEND_PODS_ALLOWED)
			return RANGES_ALLOW;
		if ((fe->flags & FRONTEND_PODS_DENIED) || !(row->flags & CONTROL_POD_DEVICES))
			return RANGES_DENY;
		return RANGES_BY_PACKET;
	}
	if (addr_is_v4(addr))
		client[3] = row->node4;
	else
		__builtin_memcpy(client, row->node6, sizeof(client));
	return client_in_ranges(fe->service, client) ? RANGES_ALLOW : RANGES_DENY;
}

/* Who is short-circuited to the cluster list: the host, and pods that count as local. */
static __always_inline __u32 sock_set(struct bpf_sock_addr *ctx, const struct frontend *fe,
				      const __be32 addr[4])
{
	__u32 local = addr_is_v4(addr) ? CONTROL_PODS_LOCAL4 : CONTROL_PODS_LOCAL6;

	if (fe->set_internal == fe->set_external || (control_flags() & local) || in_host_netns(ctx))
		return fe->set_internal;
	return fe->set_external;
}

/*
 * The source port is not known yet. The socket's cookie stands for it: a new
 * socket chooses anew, and a datagram socket stays with its backend while the
 * set stays. For affinity, and where a source address would be hashed, the
 * client is its network namespace.
 */
static __always_inline struct backend *sock_choose(struct bpf_sock_addr *ctx, __u64 cookie,
						   const __be32 addr[4], const struct frontend *fe,
						   __u32 set, struct choice *choice)
{
	__u64 netns = cfg_has_netns_cookie ? bpf_get_netns_cookie(ctx) : 0;
	struct ask ask = { .service = fe->service, .set = set, .affinity_s = fe->affinity_s };
	__u32 hash;

	hash = hash_word(hash_word(HASH_SEED, cookie), cookie >> 32);
	ask.flow_hash = hash_finish(hash_word(hash, fe->service));
	ask.source_hash = hash_finish(hash_word(hash_word(HASH_SEED, netns), netns >> 32));
	hash = hash_word(hash_word(HASH_SEED, addr[3]), addr[0]);
	ask.destination_hash = hash_finish(hash_word(hash_word(hash, addr[1]), addr[2]));
	((__u64 *)ask.client.client)[1] = netns;
	ask.client.service = fe->service;
	ask.client.kind = CLIENT_NETNS;
	return choose(&ask, choice);
}

/* Left to the door on the pod's device: what must be seen in the packet. */
static __always_inline bool sock_leave_to_packets(struct bpf_sock_addr *ctx,
						  const struct frontend *fe)
{
	const __u32 both = CONTROL_MASQUERADE_ALL | CONTROL_POD_DEVICES;

	return (fe->flags & FRONTEND_CLUSTER_IP) && (control_flags() & both) == both &&
	       !in_host_netns(ctx);
}

static __always_inline int sock_translate(struct bpf_sock_addr *ctx, bool v6, bool connected)
{
	__u8 proto = ctx->protocol;
	__be16 port = ctx->user_port;
	struct backend *backend;
	struct choice choice;
	struct frontend *fe;
	enum set_mode mode;
	__be32 addr[4];
	__u64 cookie;
	__u32 set;

	if (proto != PROTO_TCP && proto != PROTO_UDP)
		return SOCK_PROCEED;
	ctx_get_addr(ctx, v6, addr);
	fe = sock_lookup(ctx, addr, port, proto);
	if (!fe && (!(control_flags() & CONTROL_SERVICE_RANGES) || !svc_in_ranges(addr)))
		return SOCK_PROCEED;
	if (netns_opted_out(ctx))
		return SOCK_PROCEED;
	if (!fe)
		return sock_refuse(ECONNREFUSED, DROP_NO_SERVICE);
	if (fe->flags & FRONTEND_SOURCE_RANGES) {
		switch (sock_check_ranges(ctx, fe, addr)) {
		case RANGES_ALLOW:
			break;
		case RANGES_DENY:
			return sock_refuse(EHOSTUNREACH, DROP_SOURCE_RANGE);
		case RANGES_BY_PACKET:
			return SOCK_PROCEED;
		}
	}
	set = sock_set(ctx, fe, addr);
	mode = word_mode(set_read(set));
	if (mode == SET_REJECT)
		return sock_refuse(ECONNREFUSED, DROP_NO_BACKEND);
	if (mode == SET_DROP)
		return sock_refuse(EHOSTUNREACH, DROP_NO_LOCAL_BACKEND);
	if (sock_leave_to_packets(ctx, fe))
		return SOCK_PROCEED;

	cookie = bpf_get_socket_cookie(ctx);
	backend = sock_choose(ctx, cookie, addr, fe, set, &choice);
	if (!backend) /* or all have just left */
		return sock_refuse(ECONNREFUSED,
				   choice.mode <= SET_DROP ? DROP_NO_BACKEND : DROP_STALE_SET);

	sock_remember(cookie, connected, addr, port, proto, fe, backend, choice.id);
	ctx_set_addr(ctx, v6, backend->addr);
	ctx->user_port = backend->port;
	return SOCK_PROCEED;
}

/* Shows the frontend where the kernel would show the backend that the socket really talks to. */
static __always_inline int sock_untranslate(struct bpf_sock_addr *ctx, bool v6)
{
	struct socket_key key = { .cookie = bpf_get_socket_cookie(ctx) };
	struct socket *row = bpf_map_lookup_elem(&sockets, &key);
	struct backend *backend;
	const __be32 *own;
	__be32 addr[4];
	__u32 id;

	if (!row)
		return SOCK_PROCEED;
	ctx_get_addr(ctx, v6, addr);
	id = row->backend;
	backend = bpf_map_lookup_elem(&backends, &id);
	if (!backend || backend->port != (__be16)ctx->user_port)
		return SOCK_PROCEED;
	/* the socket may have been connected elsewhere since, past this hook */
	own = (const __be32 *)backend->addr;
	if (own[0] != addr[0] || own[1] != addr[1] || own[2] != addr[2] || own[3] != addr[3])
		return SOCK_PROCEED;
	ctx_set_addr(ctx, v6, row->addr);
	ctx->user_port = row->port;
	return SOCK_PROCEED;
}

static __always_inline int sock_receive(struct bpf_sock_addr *ctx, bool v6)
{
	struct udp_peer_key key = { .cookie = bpf_get_socket_cookie(ctx), .port = ctx->user_port };
	struct udp_peer *peer;
	__be32 addr[4];

	ctx_get_addr(ctx, v6, addr);
	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	peer = bpf_map_lookup_elem(&udp_peers, &key);
	if (!peer)
		return sock_untranslate(ctx, v6);
	ctx_set_addr(ctx, v6, peer->addr);
	ctx->user_port = peer->port;
	return SOCK_PROCEED;
}

SEC("cgroup/connect4")
int sock_connect4(struct bpf_sock_addr *ctx)
{
	return sock_translate(ctx, false, true);
}

SEC("cgroup/connect6")
int sock_connect6(struct bpf_sock_addr *ctx)
{
	return sock_translate(ctx, true, true);
}

SEC("cgroup/sendmsg4")
int sock_sendmsg4(struct bpf_sock_addr *ctx)
{
	return sock_translate(ctx, false, false);
}

SEC("cgroup/sendmsg6")
int sock_sendmsg6(struct bpf_sock_addr *ctx)
{
	return sock_translate(ctx, true, false);
}

SEC("cgroup/recvmsg4")
int sock_recvmsg4(struct bpf_sock_addr *ctx)
{
	return sock_receive(ctx, false);
}

SEC("cgroup/recvmsg6")
int sock_recvmsg6(struct bpf_sock_addr *ctx)
{
	return sock_receive(ctx, true);
}

SEC("cgroup/getpeername4")
int sock_peername4(struct bpf_sock_addr *ctx)
{
	return sock_untranslate(ctx, false);
}

SEC("cgroup/getpeername6")
int sock_peername6(struct bpf_sock_addr *ctx)
{
	return sock_untranslate(ctx, true);
}

SEC("cgroup/sock_release")
int sock_release(struct bpf_sock *ctx)
{
	struct socket_key key = { .cookie = bpf_get_socket_cookie(ctx) };

	sock_forget(&key);
	return SOCK_PROCEED;
}
