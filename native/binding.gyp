# SPDX-License-Identifier: Apache-2.0
# In native/ and not at the top, so that npm install does not build by surprise;
# `make build` does, through tools/build-addon.ts.
{
  'targets': [
    {
      'target_name': 'bpfsvc',
      'sources': [ '<!@(ls *.cc)' ],
      'dependencies': [ "<!(node -p \"require('node-addon-api').targets\"):node_addon_api_except" ],
      # The last: an environment that is going down can take no exception; without it a worker that
      # ends while something of ours completes aborts the whole process.
      'defines': [ 'NAPI_VERSION=8', '_GNU_SOURCE', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS' ],
      'cflags': [ '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror', '<!@(pkg-config --cflags libbpf)' ],
      'cflags_cc!': [ '-std=gnu++17', '-std=gnu++20', '-fno-rtti' ],
      'cflags_cc': [ '-std=c++17', '-fvisibility-inlines-hidden' ],
      # libbpf stays a shared library: the distribution keeps it up to date.
      'libraries': [ '<!@(pkg-config --libs libbpf)' ],
      'ldflags': [ '-Wl,--exclude-libs,ALL', '-Wl,-z,now' ],
    },
  ],
}
