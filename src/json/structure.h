// Where the tokens of a JSON text begin.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "agw/base/result.h"
#include "agw/json/document.h"

namespace agw::json {

/// The first stage of simdjson, by the best kernel of this processor: it finds every bracket,
/// colon and comma and the first byte of every other token, all outside of strings; and it makes
/// sure that the text is UTF-8, that strings are closed and hold no raw control character. It
/// doesn't know the grammar, and it reads no byte behind the text.
class Structure {
 public:
  Structure();
  ~Structure();
  Structure(const Structure&) = delete;
  Structure& operator=(const Structure&) = delete;

  /// Offsets in ascending order, valid until the next call. At least one.
  [[nodiscard]] Result<std::span<const std::uint32_t>, Error> find(std::string_view text);

 private:
  struct Kernel;
  std::unique_ptr<Kernel> kernel_;
};

}  // namespace agw::json
