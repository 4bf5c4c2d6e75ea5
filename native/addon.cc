// SPDX-License-Identifier: Apache-2.0
// Module entry: one state per JavaScript environment, then each part adds its
// functions. Loaded by src/kernel/addon.ts and by nothing else.
#include <bpf/libbpf.h>
#include <napi.h>

#include "errors.h"
#include "module.h"

#if __has_include("btf.h")
#include "btf.h"
#endif
#if __has_include("clsact.h")
#include "clsact.h"
#endif
#if __has_include("netlink.h")
#include "netlink.h"
#endif
#if __has_include("probe.h")
#include "probe.h"
#endif
#if __has_include("sys.h")
#include "sys.h"
#endif

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
#if __has_include("object.cc")
  InitObject(env, exports);
#endif
#if __has_include("map.cc")
  InitMap(env, exports);
#endif
#if __has_include("program.cc")
  InitProgram(env, exports);
#endif
#if __has_include("link.cc")
  InitLink(env, exports);
#endif
#if __has_include("ringbuf.cc")
  InitRingBuffer(env, exports);
#endif
#if __has_include("btf.h")
  InitBtf(env, exports);
#endif
#if __has_include("clsact.h")
  InitClsact(env, exports);
#endif
#if __has_include("netlink.h")
  InitNetlink(env, exports);
#endif
#if __has_include("probe.h")
  InitProbe(env, exports);
#endif
#if __has_include("sys.h")
  InitSys(env, exports);
#endif
  return exports;
}

}  // namespace

NODE_API_MODULE(bpfsvc, Init)
