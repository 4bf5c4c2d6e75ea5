// SPDX-License-Identifier: Apache-2.0
// netlinkDump and netlinkSubscribe. A thread of its own waits for the socket;
// JavaScript's thread alone reads it. So nothing is queued between the two, the
// kernel's receive buffer is the only bound, and what exceeds it is reported by
// the kernel (ENOBUFS) and by us (overrun).
#include "netlink.h"

#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>
#include <thread>

#include "args.h"
#include "errors.h"
#include "fd.h"
#include "netlink_parse.h"
#include "netlink_socket.h"

namespace {

struct Kind {
  const char* name;
  uint16_t request;
  uint32_t groups;
};

constexpr std::array<Kind, 4> kKinds = {{
    {"link", RTM_GETLINK, RTMGRP_LINK},
    {"address", RTM_GETADDR, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR},
    {"route", RTM_GETROUTE, RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE},
    {"neighbour", RTM_GETNEIGH, RTMGRP_NEIGH},
}};

const Kind& kindNamed(const Args& args, const std::string& name) {
  for (const Kind& kind : kKinds) {
    if (name == kind.name) return kind;
  }
  args.refuse("kind", "is not one of link, address, route, neighbour");
}

bool isDefaultRoute(const nlmsghdr& message) {
  if (message.nlmsg_len < NLMSG_LENGTH(sizeof(rtmsg))) return false;
  return static_cast<const rtmsg*>(NLMSG_DATA(&message))->rtm_dst_len == 0;
}

// --- netlinkDump -----------------------------------------------------------

// A table that changes all the time is asked for this often before giving up.
constexpr int kAttempts = 32;

int dump(Napi::Env env, NetlinkSocket& socket, const Kind& kind, uint8_t table, bool defaultOnly,
         Napi::Array records) {
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    uint32_t length = 0;
    const int error = socket.dump(kind.request, table, [&](const nlmsghdr& message) {
      // Before an object is made of it: a router has a million others.
      if (defaultOnly && !isDefaultRoute(message)) return;
      const Napi::Value record = ParseNetlinkMessage(env, message);
      if (!record.IsUndefined()) records[length++] = record;
    });
    if (error != EINTR) return error;
    records.Set("length", 0);
  }
  return EAGAIN;
}

Napi::Value NetlinkDump(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Attempt attempt{"netlink.dump", "list", "the kernel's network state"};
  const Args args(info, attempt);
  const std::string name = args.string(0, "kind");
  const Kind& kind = kindNamed(args, name);
  attempt.object = kind.name;
  uint32_t table = 0;
  bool defaultOnly = false;
  if (args.has(1)) {
    const Napi::Object options = args.object(1, "options");
    if (options.Has("table")) {
      table = args.toU32(options.Get("table"), "options.table");
      if (table > 255) args.refuse("options.table", "is more than 255");
    }
    defaultOnly = options.Has("defaultOnly") && options.Get("defaultOnly").ToBoolean().Value();
  }
  NetlinkSocket socket;
  int error = socket.open(NETLINK_ROUTE, 0, 0);
  Napi::Array records = Napi::Array::New(env);
  if (error == 0)
    error = dump(env, socket, kind, static_cast<uint8_t>(table), defaultOnly, records);
  if (error != 0) Fail(env, attempt, error);
  return records;
}

// --- netlinkSubscribe ------------------------------------------------------

constexpr int kReceiveBuffer = 8 * 1024 * 1024;
// Then timers and other sockets get their turn.
constexpr int kDatagramsPerTurn = 512;

constexpr Attempt kReceive{"netlink.receive", "receive notifications of",
                           "the kernel's network state"};

class Subscription {
 public:
  // 0 or an errno.
  int open(uint32_t groups, int receiveBuffer) {
    wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_.valid()) return errno;
    return socket_.open(NETLINK_ROUTE, groups, receiveBuffer);
  }

  // Keeps itself alive until close(), as an open server does. 0 or an errno.
  static int start(const std::shared_ptr<Subscription>& self, Napi::Env env,
                   Napi::Function onRecords) {
    self->env_ = env;
    self->self_ = self;
    self->loop_ = Napi::ThreadSafeFunction::New(env, onRecords, "netlinkSubscribe", 0, 1);
    try {
      self->thread_ = std::thread([raw = self.get()] { raw->wait(); });
    } catch (const std::system_error& error) {
      self->loop_.Release();
      self->self_.reset();
      return error.code().value();
    }
    // After the function's own hook, so that it runs before it: the thread has
    // ended when the function goes.
    napi_add_env_cleanup_hook(env, closeAtExit, self.get());
    return 0;
  }

  void close() {
    if (closed_) return;
    closed_ = true;
    napi_remove_env_cleanup_hook(env_, closeAtExit, this);
    stop_ = true;
    signal();
    thread_.join();
    loop_.Release();
    // Now, and not when the handle is collected: that may take long.
    socket_.close();
    wake_.reset();
    self_.reset();
  }

 private:
  static void closeAtExit(void* self) { static_cast<Subscription*>(self)->close(); }

  void signal() {
    // Fails only when the counter is full, and then the thread is awake.
    eventfd_write(wake_.get(), 1);
  }

  // The thread: one call into the loop for each time the socket becomes
  // readable, and none before that call has read it.
  void wait() {
    bool armed = true;
    for (;;) {
      pollfd fds[2] = {{wake_.get(), POLLIN, 0}, {armed ? socket_.fd() : -1, POLLIN, 0}};
      if (poll(fds, 2, -1) < 0) continue;  // EINTR is all that can happen
      if (fds[0].revents != 0) {
        eventfd_t count = 0;
        eventfd_read(wake_.get(), &count);
        if (stop_) return;
        armed = true;
        continue;
      }
      armed = false;
      const auto deliver = [self = self_](Napi::Env env, Napi::Function onRecords) {
        if (!self->closed_) self->deliver(env, onRecords);
      };
      if (loop_.NonBlockingCall(deliver) != napi_ok) return;  // the environment is going down
    }
  }

  void deliver(Napi::Env env, Napi::Function onRecords) {
    // Node-API at our version swallows what a callback throws; a broken
    // listener must be as loud as anywhere else.
    try {
      read(env, onRecords);
    } catch (const Napi::Error& error) {
      napi_fatal_exception(env, error.Value());
    }
    if (!closed_) signal();
  }

  void read(Napi::Env env, Napi::Function onRecords) {
    Napi::Array records = Napi::Array::New(env);
    int error = 0;
    for (int i = 0; i < kDatagramsPerTurn && error == 0; i++) {
      error = socket_.receive([&](const nlmsghdr& message) {
        if (lost_) return;
        const Napi::Value record = ParseNetlinkMessage(env, message);
        if (!record.IsUndefined()) records[records.Length()] = record;
      });
      if (error == ENOBUFS) {
        lost_ = true;
        error = 0;
      }
    }
    if (error != 0 && error != EAGAIN) Fail(env, kReceive, error);
    if (lost_) {
      // What is still queued is older than the loss: a dump that the listener
      // makes is newer, and must not be followed by it. So all of it goes first.
      if (error != EAGAIN) return;
      lost_ = false;
      onRecords.Call({Napi::Array::New(env), Napi::Boolean::New(env, true)});
    } else if (records.Length() > 0) {
      onRecords.Call({records, Napi::Boolean::New(env, false)});
    }
  }

  NetlinkSocket socket_;
  Fd wake_;
  std::atomic<bool> stop_{false};
  bool closed_ = false;
  bool lost_ = false;
  napi_env env_ = nullptr;
  Napi::ThreadSafeFunction loop_;
  std::thread thread_;
  std::shared_ptr<Subscription> self_;
};

Napi::Value NetlinkSubscribe(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Attempt attempt{"netlink.subscribe", "subscribe to", "the kernel's network state"};
  const Args args(info, attempt);
  if (!info[0].IsArray()) args.refuse("kinds", "is not an array");
  const Napi::Array names = info[0].As<Napi::Array>();
  uint32_t groups = 0;
  for (uint32_t i = 0; i < names.Length(); i++) {
    groups |= kindNamed(args, args.toString(names.Get(i), "kind")).groups;
  }
  if (groups == 0) args.refuse("kinds", "is empty");
  const Napi::Function onRecords = args.function(1, "onRecords");
  int receiveBuffer = kReceiveBuffer;
  if (args.has(2)) {
    const Napi::Value wanted = args.object(2, "options").Get("receiveBuffer");
    if (!wanted.IsUndefined()) {
      const uint32_t bytes = args.toU32(wanted, "options.receiveBuffer");
      if (bytes > (1u << 30)) args.refuse("options.receiveBuffer", "is more than 1 GiB");
      receiveBuffer = static_cast<int>(bytes);
    }
  }
  auto subscription = std::make_shared<Subscription>();
  int error = subscription->open(groups, receiveBuffer);
  if (error == 0) error = Subscription::start(subscription, env, onRecords);
  if (error != 0) Fail(env, attempt, error);

  Napi::Object handle = Napi::Object::New(env);
  handle.Set("close", Napi::Function::New(
                          env, [subscription](const Napi::CallbackInfo&) { subscription->close(); },
                          "close"));
  return handle;
}

}  // namespace

void InitNetlink(Napi::Env env, Napi::Object exports) {
  exports.Set("netlinkDump", Napi::Function::New(env, NetlinkDump, "netlinkDump"));
  exports.Set("netlinkSubscribe", Napi::Function::New(env, NetlinkSubscribe, "netlinkSubscribe"));
}
