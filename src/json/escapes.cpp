#include "agw/json/escapes.h"

#include <cstdint>

#include "escape_walk.h"

namespace agw::json {
namespace {

/// Goes along both forms of a string at once.
class Along {
 public:
  Along(std::span<const std::size_t> places, std::vector<std::size_t>& out) : places_(places), out_(out) {}

  void run(std::string_view bytes) { step(bytes.size(), bytes.size()); }
  void plain(char) { step(1, 2); }
  void code(std::uint32_t value) {
    constexpr std::size_t unit = 6;  // \uXXXX; a pair of surrogates is two
    const std::size_t size = value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
    step(size, value < 0x10000 ? unit : 2 * unit);
  }
  void end() { take(text_ + 1); }

 private:
  void step(std::size_t text, std::size_t raw) {
    take(text_ + text);
    text_ += text;
    raw_ += raw;
  }
  /// Those before `until`: within a run both forms have the same bytes.
  void take(std::size_t until) {
    for (; next_ < places_.size() && places_[next_] < until; ++next_) out_.push_back(raw_ + places_[next_] - text_);
  }

  std::span<const std::size_t> places_;
  std::vector<std::size_t>& out_;
  std::size_t next_ = 0;
  std::size_t text_ = 0;
  std::size_t raw_ = 1;  // behind the quote
};

}  // namespace

std::vector<std::size_t> raw_places(std::string_view raw, std::span<const std::size_t> places) {
  std::vector<std::size_t> out;
  out.reserve(places.size());
  Along along(places, out);
  if (walk(raw.substr(1, raw.size() - 2), Escapes::any, along)) along.end();
  return out;
}

}  // namespace agw::json
