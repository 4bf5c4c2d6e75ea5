// SPDX-License-Identifier: Apache-2.0
// Module entry: one state per JavaScript environment, then each part adds its
// functions. Loaded by src/kernel/addon.ts and by nothing else.
#include <bpf/libbpf.h>
#include <napi.h>

#include "btf.h"
#include "clsact.h"
#include "errors.h"
#include "module.h"
#include "netlink.h"
#include "probe.h"
#include "sys.h"
#include "udp_sockets.h"

namespace {

Napi::Value Versions(const Napi::CallbackInfo& info) {
  Napi::Object versions = Napi::Object::New(info.Env());
  // The library that was loaded, which need not be the one compiled against.
  versions.Set("libbpf", libbpf_version_string());
  return versions;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new AddonState());
  InitErrors(env, exports);
  exports.Set("versions", Napi::Function::New(env, Versions, "versions"));
  InitObject(env, exports);
  InitMap(env, exports);
  InitProgram(env, exports);
  InitLink(env, exports);
  InitRingBuffer(env, exports);
  InitBtf(env, exports);
  InitClsact(env, exports);
  InitNetlink(env, exports);
  InitProbe(env, exports);
  InitSys(env, exports);
  InitUdpSockets(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(bpfsvc, Init)
