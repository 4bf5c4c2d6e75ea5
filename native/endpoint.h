// SPDX-License-Identifier: Apache-2.0
// An address and a port, whatever family: IPv4 in v4-mapped form, as in the
// maps. To and from text and what system calls take.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <string>

struct Endpoint {
  in6_addr address{};
  uint16_t port = 0;  // host order

  bool isV4() const { return IN6_IS_ADDR_V4MAPPED(&address); }
  bool operator==(const Endpoint& other) const {
    return port == other.port && std::memcmp(&address, &other.address, sizeof(address)) == 0;
  }

  // False: the text spells no address.
  static bool parseAddress(const std::string& text, in6_addr* address) {
    if (text.find(':') != std::string::npos) return inet_pton(AF_INET6, text.c_str(), address) == 1;
    const std::string mapped = "::ffff:" + text;
    return inet_pton(AF_INET6, mapped.c_str(), address) == 1;
  }

  // IPv4 without the prefix.
  std::string addressText() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (isV4()) {
      inet_ntop(AF_INET, &address.s6_addr[12], text, sizeof(text));
    } else {
      inet_ntop(AF_INET6, &address, text, sizeof(text));
    }
    return text;
  }

  static Endpoint from(const sockaddr_storage& storage) {
    Endpoint endpoint;
    if (storage.ss_family == AF_INET6) {
      const auto& six = reinterpret_cast<const sockaddr_in6&>(storage);
      endpoint.address = six.sin6_addr;
      endpoint.port = ntohs(six.sin6_port);
    } else {
      const auto& four = reinterpret_cast<const sockaddr_in&>(storage);
      endpoint.address.s6_addr[10] = endpoint.address.s6_addr[11] = 0xff;
      std::memcpy(&endpoint.address.s6_addr[12], &four.sin_addr, sizeof(four.sin_addr));
      endpoint.port = ntohs(four.sin_port);
    }
    return endpoint;
  }

  // For a socket of this domain; an AF_INET6 socket takes IPv4 v4-mapped. The length.
  socklen_t to(int domain, sockaddr_storage* storage) const {
    *storage = {};
    storage->ss_family = static_cast<sa_family_t>(domain);
    if (domain == AF_INET6) {
      auto& six = reinterpret_cast<sockaddr_in6&>(*storage);
      six.sin6_addr = address;
      six.sin6_port = htons(port);
      return sizeof(six);
    }
    auto& four = reinterpret_cast<sockaddr_in&>(*storage);
    std::memcpy(&four.sin_addr, &address.s6_addr[12], sizeof(four.sin_addr));
    four.sin_port = htons(port);
    return sizeof(four);
  }
};
