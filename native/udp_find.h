// SPDX-License-Identifier: Apache-2.0
// From socket cookies to sockets: where they are, whom they talk to, who holds
// them. Changes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "processes.h"
#include "sock_diag.h"

struct FoundSocket {
  DiagSocket socket;
  std::string netns;
  // Which address a new socket would send from to this one's peer.
  bool hasSource = false;
  Endpoint source;
  Holder holder;
};

struct UdpSearch {
  std::vector<FoundSocket> sockets;
  // Namespaces whose sockets could not be listed, and the last reason.
  size_t hiddenNamespaces = 0;
  int hiddenError = 0;
};

// Call on a thread of its own: it goes from one network namespace to the next.
// directories: where namespaces are mounted. 0 or an errno.
int FindUdpSockets(const std::unordered_set<uint64_t>& cookies,
                   const std::vector<std::string>& directories, UdpSearch& search);
