// How far a store has come, as all workers remember it.
#pragma once

#include "agw/base/digest.h"
#include "agw/grants/redis_codec.h"
#include "agw/io/zone.h"

namespace agw::grants {

inline Progress progress_of(const Meta& meta) noexcept {
  // Any fixed key: all workers must come to the same number.
  return {KeyedHash(0, 0)(meta.incarnation), meta.confirmed, meta.version};
}

}  // namespace agw::grants
