// Work that can be given up: who waits for it sets a flag, and its loops look at that between their steps.
#pragma once
#include <cstdint>

namespace ssen {

// The flag that the calling thread's work looks at; null: none. Ask once, before threads are started.
const volatile int32_t* watched();

// Once true it stays so until the call returns; what it has computed then is worth nothing.
inline bool given_up(const volatile int32_t* flag) { return flag && *flag != 0; }

}  // namespace ssen
