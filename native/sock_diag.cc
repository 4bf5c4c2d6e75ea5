// SPDX-License-Identifier: Apache-2.0
#include "sock_diag.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cstring>

namespace {

struct Request {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

Request makeRequest(uint16_t type, uint8_t family) {
  Request request{};
  request.header.nlmsg_type = type;
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof(request.body));
  request.body.sdiag_family = family;
  request.body.sdiag_protocol = IPPROTO_UDP;
  // Datagram sockets are in one of these: connected, or not.
  request.body.idiag_states = 1u << TCP_ESTABLISHED | 1u << TCP_CLOSE;
  return request;
}

uint32_t markOf(const nlmsghdr& message, const inet_diag_msg& socket) {
  auto length = static_cast<int>(message.nlmsg_len - NLMSG_LENGTH(sizeof(socket)));
  const auto* attribute = reinterpret_cast<const rtattr*>(&socket + 1);
  for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
    uint32_t mark = 0;
    if (attribute->rta_type != INET_DIAG_MARK || RTA_PAYLOAD(attribute) < sizeof(mark)) continue;
    std::memcpy(&mark, RTA_DATA(attribute), sizeof(mark));
    return mark;
  }
  return 0;
}

}  // namespace

Endpoint DiagSocket::endpoint(const __be32 (&address)[4], __be16 port) const {
  Endpoint endpoint;
  endpoint.port = ntohs(port);
  if (family == AF_INET6) {
    std::memcpy(&endpoint.address, address, sizeof(endpoint.address));
  } else {
    endpoint.address.s6_addr[10] = endpoint.address.s6_addr[11] = 0xff;
    std::memcpy(&endpoint.address.s6_addr[12], address, sizeof(address[0]));
  }
  return endpoint;
}

int SockDiag::open() { return socket_.open(NETLINK_SOCK_DIAG, 0, 0); }

int SockDiag::listUdp(uint8_t family, const std::function<void(const DiagSocket&)>& visit) {
  Request request = makeRequest(SOCK_DIAG_BY_FAMILY, family);
  return socket_.dump(&request.header, [&](const nlmsghdr& message) {
    inet_diag_msg socket;
    if (message.nlmsg_len < NLMSG_LENGTH(sizeof(socket))) return;
    const auto& told = *static_cast<const inet_diag_msg*>(NLMSG_DATA(&message));
    std::memcpy(&socket, &told, sizeof(socket));
    visit({socket.idiag_family, socket.id, socket.idiag_inode, markOf(message, told)});
  });
}

int SockDiag::destroyUdp(uint8_t family, const inet_diag_sockid& id) {
  Request request = makeRequest(SOCK_DESTROY, family);
  request.body.id = id;
  return socket_.order(&request.header);
}
