// SPDX-License-Identifier: Apache-2.0
// JavaScript's side of udp_find, udp_reconnect and sock_diag: values in, work
// on another thread, values out.
#include "udp_sockets.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "args.h"
#include "background.h"
#include "errors.h"
#include "fd.h"
#include "sock_diag.h"
#include "thread.h"
#include "udp_find.h"
#include "udp_reconnect.h"

namespace {

Napi::Object endpointValue(Napi::Env env, const Endpoint& endpoint) {
  Napi::Object value = Napi::Object::New(env);
  value.Set("address", endpoint.addressText());
  value.Set("port", static_cast<uint32_t>(endpoint.port));
  return value;
}

Endpoint toEndpoint(const Args& args, Napi::Value value, const char* name) {
  if (!value.IsObject()) args.refuse(name, "is not an object");
  const Napi::Object object = value.As<Napi::Object>();
  Endpoint endpoint;
  if (!Endpoint::parseAddress(args.toString(object.Get("address"), name), &endpoint.address))
    args.refuse(name, "has no address");
  const uint32_t port = args.toU32(object.Get("port"), name);
  if (port > 65535) args.refuse(name, "has a port beyond 65535");
  endpoint.port = static_cast<uint16_t>(port);
  return endpoint;
}

uint64_t toCookie(const Args& args, Napi::Value value) {
  if (!value.IsBigInt()) args.refuse("cookie", "is not a bigint");
  bool lossless = false;
  return value.As<Napi::BigInt>().Uint64Value(&lossless);
}

Napi::Array arrayArgument(const Napi::CallbackInfo& info, const Args& args, size_t i,
                          const char* name) {
  if (!info[i].IsArray()) args.refuse(name, "is not an array");
  return info[i].As<Napi::Array>();
}

Napi::Object element(const Args& args, const Napi::Array& array, uint32_t i, const char* name) {
  const Napi::Value value = array.Get(i);
  if (!value.IsObject()) args.refuse(name, "is not an object");
  return value.As<Napi::Object>();
}

// --- findUdpSockets ---------------------------------------------------------

Napi::Value foundValue(Napi::Env env, const FoundSocket& found) {
  Napi::Object value = Napi::Object::New(env);
  value.Set("cookie", Napi::BigInt::New(env, found.socket.cookie()));
  value.Set("family", found.socket.family == AF_INET6 ? 6 : 4);
  value.Set("local", endpointValue(env, found.socket.local()));
  if (found.socket.peer().port != 0) value.Set("peer", endpointValue(env, found.socket.peer()));
  if (found.hasSource) value.Set("source", found.source.addressText());
  value.Set("ifindex", found.socket.id.idiag_if);
  value.Set("netns", found.netns);
  if (found.holder.pid != 0) {
    Napi::Object holder = Napi::Object::New(env);
    holder.Set("pid", found.holder.pid);
    holder.Set("fd", found.holder.fd);
    value.Set("holder", holder);
  }
  return value;
}

Napi::Value searchValue(Napi::Env env, const UdpSearch& search) {
  Napi::Array sockets = Napi::Array::New(env, search.sockets.size());
  for (uint32_t i = 0; i < search.sockets.size(); i++)
    sockets.Set(i, foundValue(env, search.sockets[i]));
  Napi::Object value = Napi::Object::New(env);
  value.Set("sockets", sockets);
  value.Set("hiddenNamespaces", static_cast<double>(search.hiddenNamespaces));
  value.Set("hiddenReason", search.hiddenError == 0 ? "" : ErrnoName(search.hiddenError));
  return value;
}

Napi::Value FindCall(const Napi::CallbackInfo& info) {
  static constexpr Attempt kAttempt{"udp.find", "list", "UDP sockets"};
  const Args args(info, kAttempt);
  if (!info[0].IsTypedArray() ||
      info[0].As<Napi::TypedArray>().TypedArrayType() != napi_biguint64_array) {
    args.refuse("cookies", "is not a BigUint64Array");
  }
  const auto array = info[0].As<Napi::BigUint64Array>();
  std::unordered_set<uint64_t> cookies(array.Data(), array.Data() + array.ElementLength());
  const Napi::Array names = arrayArgument(info, args, 1, "directories");
  std::vector<std::string> directories;
  for (uint32_t i = 0; i < names.Length(); i++)
    directories.push_back(args.toString(names.Get(i), "directory"));
  return Background<UdpSearch>::run(
      info.Env(), kAttempt,
      [cookies = std::move(cookies), directories = std::move(directories)](UdpSearch& search) {
        return OnOwnThread([&] { return FindUdpSockets(cookies, directories, search); });
      },
      searchValue);
}

// --- reconnectUdpSockets ----------------------------------------------------

const char* outcomeName(Reconnected outcome) {
  switch (outcome) {
    case Reconnected::kDone:
      return "done";
    case Reconnected::kGone:
      return "gone";
    case Reconnected::kElsewhere:
      return "elsewhere";
    case Reconnected::kDenied:
      return "denied";
    case Reconnected::kRefused:
      return "refused";
  }
  return "";
}

Reconnection toReconnection(const Args& args, const Napi::Object& object) {
  Reconnection one;
  one.cookie = toCookie(args, object.Get("cookie"));
  const Napi::Value holder = object.Get("holder");
  if (!holder.IsObject()) args.refuse("holder", "is not an object");
  one.holder.pid = static_cast<pid_t>(args.toU32(holder.As<Napi::Object>().Get("pid"), "pid"));
  one.holder.fd = static_cast<int>(args.toU32(holder.As<Napi::Object>().Get("fd"), "fd"));
  const Napi::Value from = object.Get("from");
  if (!from.IsArray()) args.refuse("from", "is not an array");
  for (uint32_t i = 0; i < from.As<Napi::Array>().Length(); i++)
    one.from.push_back(toEndpoint(args, from.As<Napi::Array>().Get(i), "from"));
  one.to = toEndpoint(args, object.Get("to"), "to");
  const Napi::Value restore = object.Get("newSourceElse");
  one.newSource = !restore.IsUndefined();
  if (one.newSource) one.restore = toEndpoint(args, restore, "newSourceElse");
  return one;
}

using ReconnectResults = std::vector<ReconnectResult>;

Napi::Value ReconnectCall(const Napi::CallbackInfo& info) {
  static constexpr Attempt kAttempt{"udp.reconnect", "connect again", "UDP sockets"};
  const Args args(info, kAttempt);
  const Napi::Array array = arrayArgument(info, args, 0, "sockets");
  std::vector<Reconnection> wanted;
  for (uint32_t i = 0; i < array.Length(); i++)
    wanted.push_back(toReconnection(args, element(args, array, i, "socket")));
  return Background<ReconnectResults>::run(
      info.Env(), kAttempt,
      [wanted = std::move(wanted)](ReconnectResults& results) {
        for (const Reconnection& one : wanted) results.push_back(Reconnect(one));
        return 0;
      },
      [](Napi::Env env, const ReconnectResults& results) -> Napi::Value {
        Napi::Array values = Napi::Array::New(env, results.size());
        for (uint32_t i = 0; i < results.size(); i++) {
          Napi::Object value = Napi::Object::New(env);
          value.Set("outcome", outcomeName(results[i].outcome));
          value.Set("code", results[i].error == 0 ? "" : ErrnoName(results[i].error));
          values.Set(i, value);
        }
        return values;
      });
}

// --- destroyUdpSockets ------------------------------------------------------

struct Doomed {
  std::string netns;
  uint8_t family;
  inet_diag_sockid id;
};

void setEndpoint(uint8_t family, const Endpoint& endpoint, __be32 (&address)[4], __be16* port) {
  *port = htons(endpoint.port);
  if (family == AF_INET6) {
    std::memcpy(address, &endpoint.address, sizeof(address));
  } else {
    std::memcpy(address, &endpoint.address.s6_addr[12], sizeof(address[0]));
  }
}

Doomed toDoomed(const Args& args, const Napi::Object& object) {
  Doomed one{};
  one.netns = args.toString(object.Get("netns"), "netns");
  one.family = args.toU32(object.Get("family"), "family") == 6 ? AF_INET6 : AF_INET;
  setEndpoint(one.family, toEndpoint(args, object.Get("local"), "local"), one.id.idiag_src,
              &one.id.idiag_sport);
  setEndpoint(one.family, toEndpoint(args, object.Get("peer"), "peer"), one.id.idiag_dst,
              &one.id.idiag_dport);
  one.id.idiag_if = args.toU32(object.Get("ifindex"), "ifindex");
  const uint64_t cookie = toCookie(args, object.Get("cookie"));
  one.id.idiag_cookie[0] = static_cast<uint32_t>(cookie);
  one.id.idiag_cookie[1] = static_cast<uint32_t>(cookie >> 32);
  return one;
}

int destroy(const Doomed& one) {
  const Fd netns(open(one.netns.c_str(), O_RDONLY | O_CLOEXEC));
  if (!netns.valid() || setns(netns.get(), CLONE_NEWNET) != 0) return errno;
  SockDiag diag;
  const int error = diag.open();
  return error != 0 ? error : diag.destroyUdp(one.family, one.id);
}

using Errors = std::vector<int>;

Napi::Value DestroyCall(const Napi::CallbackInfo& info) {
  static constexpr Attempt kAttempt{"udp.destroy", "end", "UDP sockets"};
  const Args args(info, kAttempt);
  const Napi::Array array = arrayArgument(info, args, 0, "sockets");
  std::vector<Doomed> doomed;
  for (uint32_t i = 0; i < array.Length(); i++)
    doomed.push_back(toDoomed(args, element(args, array, i, "socket")));
  return Background<Errors>::run(
      info.Env(), kAttempt,
      [doomed = std::move(doomed)](Errors& errors) {
        return OnOwnThread([&] {
          for (const Doomed& one : doomed) errors.push_back(destroy(one));
          return 0;
        });
      },
      [](Napi::Env env, const Errors& errors) -> Napi::Value {
        Napi::Array codes = Napi::Array::New(env, errors.size());
        for (uint32_t i = 0; i < errors.size(); i++)
          codes.Set(i, errors[i] == 0 ? "" : ErrnoName(errors[i]));
        return codes;
      });
}

}  // namespace

void InitUdpSockets(Napi::Env env, Napi::Object exports) {
  exports.Set("findUdpSockets", Napi::Function::New(env, FindCall, "findUdpSockets"));
  exports.Set("reconnectUdpSockets",
              Napi::Function::New(env, ReconnectCall, "reconnectUdpSockets"));
  exports.Set("destroyUdpSockets", Napi::Function::New(env, DestroyCall, "destroyUdpSockets"));
}
