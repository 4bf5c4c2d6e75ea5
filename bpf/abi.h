/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every struct and enum that crosses the border between the BPF programs and
 * user space, and nothing else. tools/abigen reads this file's BTF and writes
 * the TypeScript codecs; nobody writes a layout down twice.
 *
 * Rules (the compiler or abigen fails): fixed-width integers, __be16/__be32,
 * byte arrays, nested structs of the same; no unions, bit-fields, holes or
 * bool; padding is spelt out as pad, always zero.
 *
 * Addresses are 16 bytes in network order, IPv4 in v4-mapped form
 * (::ffff:a.b.c.d), except in struct flow4*, the hot map.
 */
#pragma once

#include <linux/types.h>

#define TAG(text) __attribute__((btf_decl_tag(text)))
/* Typed for the generator: an address, and a small integer holding an enum. */
#define ADDR TAG("address")
#define MAC TAG("mac")
#define ENUM(name) TAG("enum:" #name)
#define FLAGS(name) TAG("flags:" #name)

enum proto {
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_SCTP = 132,
};

/* The word in the map sets: one 64-bit store moves a set to its next
 * generation. Bits: first slot (32), number of slots (20), mode (4), two flags. */
enum set_word {
	SET_FIRST_SHIFT = 0,
	SET_COUNT_SHIFT = 32,
	SET_COUNT_BITS = 20,
	SET_MODE_SHIFT = 52,
	SET_MODE_BITS = 4,
	SET_WEIGHTED_SHIFT = 56, /* for the agent: a Maglev table does not tell its weights */
	SET_MEMBERS_SHIFT = 57,  /* behind the slots stand the members, for session affinity */
};

enum set_mode {
	SET_REJECT = 0,      /* no usable backend anywhere: refuse the client */
	SET_DROP = 1,        /* backends exist, none for this client: stay silent */
	SET_HASH = 2,        /* slots are a Maglev table, indexed by a hash of the flow */
	SET_SOURCE = 3,      /* the same, by a hash of the client's address */
	SET_DESTINATION = 4, /* the same, by a hash of the address asked for */
	SET_RANDOM = 5,      /* any slot */
	SET_TURN = 6,        /* slots in turn */
	/* slots are pairs of backend and weight; l is the number of active connections */
	SET_TWO = 7,   /* of two at random the one with the smaller l / weight */
	SET_LEAST = 8, /* the smallest l / weight */
	SET_SED = 9,   /* the smallest (l + 1) / weight */
	SET_NQ = 10,   /* one without connections, or else as SET_SED */
};

/* Slots live in segments of 4 MiB, made when they are needed. (Putting one in its
 * map waits for an RCU grace period, so there should not be many.) */
enum slot_geometry {
	SLOTS_PER_BLOCK = 16,
	BLOCKS_PER_SEGMENT = 65536,
	SLOT_SEGMENTS = 256,
};

enum frontend_flags {
	FRONTEND_CLUSTER_IP = 1,
	FRONTEND_NODE_PORT = 2,
	FRONTEND_EXTERNAL_IP = 4,
	FRONTEND_LOAD_BALANCER = 8,
	FRONTEND_SOURCE_RANGES = 16, /* only for clients in source_ranges */
	/* of those: what holds for all pods of this node, whose sockets have no address yet */
	FRONTEND_PODS_ALLOWED = 32,
	FRONTEND_PODS_DENIED = 64,
};

/* Neither LOCAL nor REMOTE: the plan does not know, the FIB decides. */
enum backend_flags {
	BACKEND_LOCAL = 1,   /* runs on this node: the client's address is kept */
	BACKEND_REMOTE = 2,  /* runs on another node: SNAT, forward */
	BACKEND_RETIRED = 4, /* in no set any more; kept while flows name it */
};

enum flow_flags {
	FLOW_REPLY = 1,   /* backend -> client; otherwise client -> backend */
	FLOW_SNAT = 2,    /* the client's address is hidden behind this node's */
	FLOW_FORWARD = 4, /* leaves by nexthop on ifindex; otherwise the local stack has it */
};

enum flow_state {
	FLOW_SYN = 1,
	FLOW_ACK = 2,
	FLOW_FIN = 4,
	FLOW_RST = 8,       /* from either side */
	FLOW_PEER_FIN = 16, /* FLOW_FIN in the other direction's row */
	FLOW_LEAVING = 32,  /* the row is being removed: no new connection may take it over */
};

enum node_addr_flags {
	NODE_ADDR_NODE_PORT = 1, /* NodePorts answer on this address */
};

enum iface_flags {
	IFACE_UPLINK = 1,
	IFACE_POD = 2,       /* pods behind it are served by packet */
	IFACE_LOCAL_POD = 4, /* who comes in here is a local pod (detectLocalMode by interface) */
};

enum control_flags {
	CONTROL_POD_DEVICES = 1,    /* packets of pods pass a door of ours */
	CONTROL_MASQUERADE_ALL = 2, /* hide every client of a ClusterIP */
	CONTROL_LOCAL_BY_IFACE =
		4, /* a local pod is known by IFACE_LOCAL_POD, not by its address */
	CONTROL_SERVICE_RANGES = 8, /* service_ranges has rows */
	/* on the socket path, whoever is not in the host's namespace is a local pod */
	CONTROL_PODS_LOCAL4 = 16,
	CONTROL_PODS_LOCAL6 = 32,
};

/* Who is held to one backend by session affinity. */
enum client_kind {
	CLIENT_ADDRESS = 0, /* packet path */
	CLIENT_NETNS = 1,   /* socket path: the last 8 bytes are the namespace's cookie */
};

/* Why a packet was dropped or refused. Names reach metrics in lower case. */
enum drop_reason {
	DROP_NONE = 0,
	DROP_NO_BACKEND,       /* Service without a usable backend; the client was told */
	DROP_NO_LOCAL_BACKEND, /* backends only elsewhere, policy Local: silence */
	DROP_SNAT_EXHAUSTED,   /* no free source port towards this backend */
	DROP_SNAT_NO_ADDRESS,  /* egress interface has no address of this family */
	DROP_NO_ROUTE,         /* FIB: unreachable, blackhole or prohibited */
	DROP_TTL_EXCEEDED,     /* would have to be forwarded with TTL 0 */
	DROP_TOO_BIG,          /* larger than the next link, not to be cut; the sender knows */
	DROP_FLOWS_FULL,       /* the flow table refused an entry */
	DROP_FLOW_LEAVING,  /* the old row was just being removed; the next SYN makes a new one */
	DROP_STALE_SET,     /* a slot named a backend that is gone; must stay 0 */
	DROP_HELPER_FAILED, /* a kernel helper failed on a well-formed packet */
	DROP_SOURCE_RANGE,  /* client outside loadBalancerSourceRanges: silence */
	DROP_NO_SERVICE, /* a service address without this port, or a free one; the client was told */
	DROP_REASONS,
};

#pragma clang diagnostic push
#pragma clang diagnostic error "-Wpadded"

struct frontend_key {
	__u8 addr[16] ADDR; /* 0.0.0.0 or ::: NodePort, any node address of the family */
	__be16 port;
	__u8 proto ENUM(proto);
	__u8 pad;
};

struct frontend {
	__u32 service;
	__u32 set_internal; /* for clients on this node */
	__u32 set_external; /* for clients from elsewhere */
	__u32 affinity_s;   /* 0: off */
	__u32 flags FLAGS(frontend_flags);
};

struct slot_block {
	__u32 backend[16];
};

struct backend {
	__u8 addr[16] ADDR; /* zero: free row */
	__be16 port;
	__u8 proto ENUM(proto);
	__u8 flags FLAGS(backend_flags);
	__u16 weight;
	__u16 zone;
};

/* One port of a Service in one family: so that a dump can name what it shows
 * without the agent. Its sets are 2 * id (cluster list) and 2 * id + 1 (local). */
struct service {
	char namespace[64];
	char name[64];
	char port_name[64];
	__u8 proto ENUM(proto);
	__u8 family; /* 4 or 6 */
	__u8 pad[2];
};

struct flow4_key {
	__be32 saddr ADDR;
	__be32 daddr ADDR;
	__be16 sport;
	__be16 dport;
	__u8 proto ENUM(proto);
	__u8 pad[3];
};

struct flow6_key {
	__u8 saddr[16] ADDR;
	__u8 daddr[16] ADDR;
	__be16 sport;
	__be16 dport;
	__u8 proto ENUM(proto);
	__u8 pad[3];
};

/* A flow is two rows: client -> frontend, and backend -> client (or -> the
 * SNAT address). Each says what its packets become. */
struct flow {
	__u64 packets;
	__u64 bytes; /* from the IP header on */
	__u32 service;
	__u32 backend;
	__u32 last_seen;  /* CLOCK_MONOTONIC, in units of 2^30 ns */
	__u32 generation; /* of routes when the next hop was resolved; 0: not yet */
	__u32 ifindex;
	__be16 sport; /* after translation */
	__be16 dport;
	__u16 mtu; /* of the device it leaves by; 0: the stack decides */
	__u8 state FLAGS(flow_state);
	__u8 flags FLAGS(flow_flags);
	__u8 pad[4];
};

struct flow4 {
	struct flow flow;
	__be32 saddr ADDR; /* after translation */
	__be32 daddr ADDR;
	__be32 nexthop ADDR; /* zero: bpf_redirect_neigh asks the FIB */
	__u8 pad[4];
};

struct flow6 {
	struct flow flow;
	__u8 saddr[16] ADDR;
	__u8 daddr[16] ADDR;
	__u8 nexthop[16] ADDR;
};

/* The flows that the program sweep shall remove, as a packet: this, then entries.
 * Each run takes the next one. */
struct sweep_request {
	__u32 next;
	__u8 pad[12]; /* to where an Ethernet header has ended */
};

enum sweep_outcome {
	SWEEP_NONE = 0,
	SWEEP_REMOVED,
	SWEEP_CHANGED, /* it is not as it was seen: kept */
	SWEEP_GONE,    /* was not there */
};

/* A row as it was when its end was judged. */
struct sweep_seen {
	__u64 packets;
	__u32 last_seen;
	__u8 state FLAGS(flow_state);
	__u8 pad[3];
};

struct sweep_entry {
	__u8 saddr[16] ADDR;
	__u8 daddr[16] ADDR;
	__be16 sport;
	__be16 dport;
	__u8 proto ENUM(proto);
	__u8 family; /* 4 or 6 */
	__u8 outcome ENUM(sweep_outcome);
	__u8 has_pair; /* 1: the other direction has a row, too */
	struct sweep_seen row;
	struct sweep_seen pair;
};

/* A socket that was connected through a frontend, by its cookie. */
struct socket_key {
	__u64 cookie;
};

struct socket {
	__u8 addr[16] ADDR; /* the frontend that the process asked for */
	__be16 port;
	__u8 proto ENUM(proto);
	__u8 pad;
	__u32 service;
	__u32 backend;
};

/* An unconnected UDP socket and one backend that it was sent to. */
struct udp_peer_key {
	__u64 cookie;
	__u8 addr[16] ADDR;
	__be16 port;
	__u8 pad[6];
};

struct udp_peer {
	__u8 addr[16] ADDR; /* the frontend */
	__be16 port;
	__u8 pad[2];
	__u32 service;
	__u32 backend;
};

struct pair_key {
	__u32 service;
	__u32 backend;
};

/* Connections, socket and packet path together. */
struct conns {
	__u64 opened; /* ever */
	__s64 active; /* now, and those whose end nobody saw: struct traffic */
};

/* What ended flows carried; written by the agent alone. in: client -> backend. */
struct traffic {
	__u64 in_packets;
	__u64 in_bytes;
	__u64 out_packets;
	__u64 out_bytes;
	__s64 lost; /* connections that conns.active counts and that are no more */
};

struct node_addr_key {
	__u8 addr[16] ADDR;
};

struct node_addr {
	__u32 flags FLAGS(node_addr_flags);
};

struct iface_key {
	__u32 ifindex;
};

struct iface {
	__u8 addr6[16] ADDR; /* SNAT source, zero: none */
	__be32 addr4 ADDR;   /* the same */
	__u32 mtu;
	__u8 mac[6] MAC;
	__u16 flags FLAGS(iface_flags);
};

/* An address that Services have, by the kinds of frontends there. */
struct service_addr_key {
	__u8 addr[16] ADDR;
};

struct service_addr {
	__u32 flags FLAGS(frontend_flags);
};

/* Longest prefix first; prefixlen counts from addr's first byte, so 96 more for IPv4. */
struct service_range_key {
	__u32 prefixlen;
	__u8 addr[16] ADDR;
};

struct service_range {
	__u32 reserved;
};

/* The same, within a service: prefixlen counts from service's first byte. */
struct source_range_key {
	__u32 prefixlen;
	__u32 service;
	__u8 addr[16] ADDR;
};

struct source_range {
	__u32 reserved;
};

struct affinity_key {
	__u8 client[16] ADDR;
	__u32 service;
	__u32 kind ENUM(client_kind);
};

struct affinity {
	__u64 last_new; /* the last new connection: CLOCK_MONOTONIC, ns */
	__u32 backend;
	__u32 pad;
};

struct netns_key {
	__u64 cookie;
};

/* A network namespace whose sockets are left alone. */
struct netns_opt_out {
	__u32 reserved;
};

struct drop_count {
	__u64 packets;
	__u64 bytes;
};

/* One row, written by the agent alone: what became of UDP towards backends that
 * no longer serve. */
struct udp_moves {
	__u64 flows;     /* of the packet path, removed: their next packets choose anew */
	__u64 sockets;   /* of local processes, connected again */
	__u64 ended;     /* could only be ended */
	__u64 waiting;   /* now: their frontend leads to no backend */
	__u64 survivors; /* now: stayed in spite of everything */
};

/* One row, mmapped, written by the agent, read by every program. */
struct control {
	__u32 generation; /* raised when routes, links or addresses change */
	__u32 flags FLAGS(control_flags);
	__u8 node6[16] ADDR; /* this node's first address, zero: none */
	__be32 node4 ADDR;
	__be32 local4 ADDR; /* where local pods have their addresses; mask 0: not known */
	__be32 local4_mask ADDR;
	__u32 local4_bits; /* lengths of these prefixes, for dumps; as in service_range_key */
	__u8 local6[16] ADDR;
	__u8 local6_mask[16] ADDR;
	__u32 local6_bits;
	__u32 pad;
};

#pragma clang diagnostic pop
