// SPDX-License-Identifier: Apache-2.0
// Takes another process's connected UDP socket and connects it again, so that
// the hooks of its own cgroup and namespace choose anew. Knows no Service.
#pragma once

#include <cstdint>
#include <vector>

#include "endpoint.h"
#include "processes.h"

struct Reconnection {
  uint64_t cookie = 0;
  Holder holder;
  // What getpeername may say before; anything else: its owner has gone elsewhere.
  std::vector<Endpoint> from;
  Endpoint to;
  // Choose the source address anew too, unless its owner has bound it. The
  // socket is without a peer for a moment; if it gets none, it has this one again.
  bool newSource = false;
  Endpoint restore;
};

enum class Reconnected {
  kDone,
  kGone,       // the descriptor is another's by now, or closed
  kElsewhere,  // its owner has connected it to something else meanwhile
  kDenied,     // this process may not take it, see the errno
  kRefused,    // connect() failed, see the errno
};

struct ReconnectResult {
  Reconnected outcome;
  int error = 0;
};

ReconnectResult Reconnect(const Reconnection& reconnection);
