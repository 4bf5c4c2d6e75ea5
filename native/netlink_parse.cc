// SPDX-License-Identifier: Apache-2.0
#include "netlink_parse.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

namespace {

// The attributes of one message by type, the last of each. Borrows the message.
class Attributes {
 public:
  Attributes(const void* first, size_t length) {
    const auto* attribute = static_cast<const rtattr*>(first);
    // RTA_OK counts in signed numbers.
    auto left = static_cast<int>(length);
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
      const uint16_t type = attribute->rta_type & NLA_TYPE_MASK;
      if (type < byType_.size()) byType_[type] = attribute;
    }
  }

  bool has(uint16_t type) const { return byType_[type] != nullptr; }
  const void* data(uint16_t type) const { return RTA_DATA(byType_[type]); }
  size_t size(uint16_t type) const { return has(type) ? RTA_PAYLOAD(byType_[type]) : 0; }

  std::optional<uint32_t> u32(uint16_t type) const {
    uint32_t value = 0;
    if (size(type) != sizeof(value)) return std::nullopt;
    std::memcpy(&value, data(type), sizeof(value));
    return value;
  }

  std::string string(uint16_t type) const {
    if (!has(type)) return "";
    const auto* text = static_cast<const char*>(data(type));
    return {text, strnlen(text, size(type))};
  }

  Attributes nested(uint16_t type) const {
    return has(type) ? Attributes(data(type), size(type)) : Attributes(nullptr, 0);
  }

 private:
  std::array<const rtattr*, 64> byType_{};
};

template <typename Body>
Attributes attributesAfter(const nlmsghdr& message, const Body& body) {
  const auto* first = reinterpret_cast<const char*>(&body) + NLMSG_ALIGN(sizeof(Body));
  const size_t header = NLMSG_SPACE(sizeof(Body));
  return {first, message.nlmsg_len > header ? message.nlmsg_len - header : 0};
}

std::string addressText(int family, const void* bytes) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(family, bytes, text, sizeof(text));
  return text;
}

size_t addressSize(int family) { return family == AF_INET ? 4 : 16; }

// Empty: not there, or not of this family.
std::string addressOf(int family, const Attributes& attributes, uint16_t type) {
  if (attributes.size(type) != addressSize(family)) return "";
  return addressText(family, attributes.data(type));
}

std::string hardwareAddress(const Attributes& attributes, uint16_t type) {
  // Only Ethernet's; a tunnel has its endpoint in this place.
  if (attributes.size(type) != 6) return "";
  const auto* b = static_cast<const uint8_t*>(attributes.data(type));
  char text[18];
  std::snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
                b[5]);
  return text;
}

bool isInet(int family) { return family == AF_INET || family == AF_INET6; }

int familyNumber(int family) { return family == AF_INET ? 4 : 6; }

void setText(Napi::Object& object, const char* name, const std::string& text) {
  if (!text.empty()) object.Set(name, text);
}

Napi::Object newRecord(Napi::Env env, const char* kind, bool isNew, uint32_t ifindex) {
  Napi::Object record = Napi::Object::New(env);
  record.Set("kind", kind);
  record.Set("event", isNew ? "new" : "delete");
  record.Set("ifindex", ifindex);
  return record;
}

Napi::Value parseLink(Napi::Env env, const nlmsghdr& message, const ifinfomsg& body) {
  // A bridge speaks of its ports in the same group: a port that leaves it is no link that ends.
  if (body.ifi_family != AF_UNSPEC) return env.Undefined();
  const Attributes attributes = attributesAfter(message, body);
  // Wireless events carry a link's name and nothing of its state.
  if (!attributes.has(IFLA_IFNAME) || attributes.has(IFLA_WIRELESS)) return env.Undefined();
  Napi::Object record = newRecord(env, "link", message.nlmsg_type == RTM_NEWLINK,
                                  static_cast<uint32_t>(body.ifi_index));
  record.Set("name", attributes.string(IFLA_IFNAME));
  record.Set("mtu", attributes.u32(IFLA_MTU).value_or(0));
  setText(record, "mac", hardwareAddress(attributes, IFLA_ADDRESS));
  Napi::Object flags = Napi::Object::New(env);
  flags.Set("up", (body.ifi_flags & IFF_UP) != 0);
  flags.Set("lowerUp", (body.ifi_flags & IFF_LOWER_UP) != 0);
  flags.Set("loopback", (body.ifi_flags & IFF_LOOPBACK) != 0);
  record.Set("flags", flags);
  record.Set("type", attributes.nested(IFLA_LINKINFO).string(IFLA_INFO_KIND));
  record.Set("arphrd", body.ifi_type);
  const std::optional<uint32_t> master = attributes.u32(IFLA_MASTER);
  if (master) record.Set("master", *master);
  return record;
}

Napi::Value parseAddress(Napi::Env env, const nlmsghdr& message, const ifaddrmsg& body) {
  if (!isInet(body.ifa_family)) return env.Undefined();
  const Attributes attributes = attributesAfter(message, body);
  // On a point-to-point link IFA_ADDRESS is the other end's.
  const uint16_t own = attributes.has(IFA_LOCAL) ? IFA_LOCAL : IFA_ADDRESS;
  const std::string address = addressOf(body.ifa_family, attributes, own);
  if (address.empty()) return env.Undefined();
  const uint32_t bits = attributes.u32(IFA_FLAGS).value_or(body.ifa_flags);
  Napi::Object record =
      newRecord(env, "address", message.nlmsg_type == RTM_NEWADDR, body.ifa_index);
  record.Set("family", familyNumber(body.ifa_family));
  record.Set("address", address);
  record.Set("prefixLength", body.ifa_prefixlen);
  record.Set("scope", body.ifa_scope);
  // One bit, two meanings: IFA_F_SECONDARY of IPv4 is IFA_F_TEMPORARY of IPv6.
  const bool shared = (bits & IFA_F_SECONDARY) != 0;
  Napi::Object flags = Napi::Object::New(env);
  flags.Set("secondary", shared && body.ifa_family == AF_INET);
  flags.Set("temporary", shared && body.ifa_family == AF_INET6);
  flags.Set("deprecated", (bits & IFA_F_DEPRECATED) != 0);
  // An optimistic address is in use while it is being checked.
  flags.Set("tentative", (bits & IFA_F_TENTATIVE) != 0 && (bits & IFA_F_OPTIMISTIC) == 0);
  flags.Set("duplicate", (bits & IFA_F_DADFAILED) != 0);
  record.Set("flags", flags);
  return record;
}

std::string routeType(uint8_t type) {
  static constexpr const char* kNames[] = {"unspec",   "unicast",   "local",     "broadcast",
                                           "anycast",  "multicast", "blackhole", "unreachable",
                                           "prohibit", "throw",     "nat",       "xresolve"};
  return type < std::size(kNames) ? kNames[type] : std::to_string(type);
}

// The next hop's address; an IPv4 route may go by an IPv6 router (RTA_VIA).
std::string gatewayOf(int family, const Attributes& attributes) {
  const std::string gateway = addressOf(family, attributes, RTA_GATEWAY);
  if (!gateway.empty() || attributes.size(RTA_VIA) < sizeof(rtvia)) return gateway;
  const auto* via = static_cast<const rtvia*>(attributes.data(RTA_VIA));
  const bool fits = isInet(via->rtvia_family) &&
                    attributes.size(RTA_VIA) == sizeof(rtvia) + addressSize(via->rtvia_family);
  return fits ? addressText(via->rtvia_family, via->rtvia_addr) : "";
}

Napi::Array multipathOf(Napi::Env env, int family, const Attributes& attributes) {
  Napi::Array hops = Napi::Array::New(env);
  const auto* hop = static_cast<const rtnexthop*>(attributes.data(RTA_MULTIPATH));
  auto left = static_cast<int>(attributes.size(RTA_MULTIPATH));
  while (RTNH_OK(hop, left)) {
    const Attributes inner(RTNH_DATA(hop), hop->rtnh_len - RTNH_LENGTH(0));
    Napi::Object object = Napi::Object::New(env);
    object.Set("oif", static_cast<uint32_t>(hop->rtnh_ifindex));
    setText(object, "gateway", gatewayOf(family, inner));
    hops[hops.Length()] = object;
    left -= static_cast<int>(RTNH_ALIGN(hop->rtnh_len));
    hop = RTNH_NEXT(hop);
  }
  return hops;
}

Napi::Value parseRoute(Napi::Env env, const nlmsghdr& message, const rtmsg& body) {
  if (!isInet(body.rtm_family)) return env.Undefined();
  // A cached answer to one lookup, not a route.
  if ((body.rtm_flags & RTM_F_CLONED) != 0) return env.Undefined();
  const Attributes attributes = attributesAfter(message, body);
  const std::optional<uint32_t> oif = attributes.u32(RTA_OIF);
  Napi::Object record =
      newRecord(env, "route", message.nlmsg_type == RTM_NEWROUTE, oif.value_or(0));
  record.Set("family", familyNumber(body.rtm_family));
  const std::string destination = addressOf(body.rtm_family, attributes, RTA_DST);
  const char* any = body.rtm_family == AF_INET ? "0.0.0.0" : "::";
  record.Set("destination", destination.empty() ? any : destination);
  record.Set("prefixLength", body.rtm_dst_len);
  setText(record, "gateway", gatewayOf(body.rtm_family, attributes));
  if (oif) record.Set("oif", *oif);
  record.Set("table", attributes.u32(RTA_TABLE).value_or(body.rtm_table));
  record.Set("type", routeType(body.rtm_type));
  record.Set("priority", attributes.u32(RTA_PRIORITY).value_or(0));
  if (attributes.has(RTA_MULTIPATH)) {
    record.Set("multipath", multipathOf(env, body.rtm_family, attributes));
  }
  return record;
}

std::string neighbourState(uint16_t state) {
  switch (state) {
    case NUD_NONE:
      return "none";
    case NUD_INCOMPLETE:
      return "incomplete";
    case NUD_REACHABLE:
      return "reachable";
    case NUD_STALE:
      return "stale";
    case NUD_DELAY:
      return "delay";
    case NUD_PROBE:
      return "probe";
    case NUD_FAILED:
      return "failed";
    case NUD_NOARP:
      return "noarp";
    case NUD_PERMANENT:
      return "permanent";
    default:
      return std::to_string(state);
  }
}

Napi::Value parseNeighbour(Napi::Env env, const nlmsghdr& message, const ndmsg& body) {
  // Bridges tell of their forwarding tables in the same group.
  if (!isInet(body.ndm_family)) return env.Undefined();
  const Attributes attributes = attributesAfter(message, body);
  const std::string address = addressOf(body.ndm_family, attributes, NDA_DST);
  if (address.empty()) return env.Undefined();
  Napi::Object record = newRecord(env, "neighbour", message.nlmsg_type == RTM_NEWNEIGH,
                                  static_cast<uint32_t>(body.ndm_ifindex));
  record.Set("family", familyNumber(body.ndm_family));
  record.Set("address", address);
  setText(record, "mac", hardwareAddress(attributes, NDA_LLADDR));
  record.Set("state", neighbourState(body.ndm_state));
  return record;
}

// The fixed header behind nlmsghdr, or nothing when the message is too short for it.
template <typename Body>
const Body* bodyOf(const nlmsghdr& message) {
  if (message.nlmsg_len < NLMSG_LENGTH(sizeof(Body))) return nullptr;
  return static_cast<const Body*>(NLMSG_DATA(&message));
}

template <typename Body>
Napi::Value parseAs(Napi::Env env, const nlmsghdr& message,
                    Napi::Value (*parse)(Napi::Env, const nlmsghdr&, const Body&)) {
  const Body* body = bodyOf<Body>(message);
  return body == nullptr ? env.Undefined() : parse(env, message, *body);
}

}  // namespace

Napi::Value ParseNetlinkMessage(Napi::Env env, const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return parseAs(env, message, parseLink);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return parseAs(env, message, parseAddress);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return parseAs(env, message, parseRoute);
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      return parseAs(env, message, parseNeighbour);
    default:
      return env.Undefined();
  }
}
