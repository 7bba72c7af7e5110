// Whether the sanitizers of this build see anything at all: each is given what it is there to find. (The same inside
// nginx: t/nginx_adapters.)
#if defined(__has_feature)
#if __has_feature(address_sanitizer)

#include <climits>
#include <cstddef>
#include <cstdlib>
#include <memory>

#include <gtest/gtest.h>
#include <sanitizer/lsan_interface.h>

namespace agw {
namespace {

// Volatile: the compiler may neither see what comes nor leave it out.
volatile std::size_t size = 16;
volatile int largest = INT_MAX;
volatile char taken = 0;
char* volatile lost = nullptr;

TEST(SanitizersDeathTest, a_read_behind_the_end_is_found) {
  const auto bytes = std::make_unique<char[]>(size);
  EXPECT_DEATH(taken = bytes[size], "heap-buffer-overflow");
}

TEST(SanitizersDeathTest, a_read_of_freed_memory_is_found) {
  auto bytes = std::make_unique<char[]>(size);
  const volatile char* const gone = bytes.get();
  bytes.reset();
  EXPECT_DEATH(taken = *gone, "heap-use-after-free");
}

TEST(SanitizersDeathTest, an_overflow_of_an_integer_is_found) {
  EXPECT_DEATH(largest = largest + 1, "signed integer overflow");
}

TEST(SanitizersDeathTest, a_shift_too_far_is_found) {
  EXPECT_DEATH(largest = 1 << (size * 4), "shift exponent 64 is too large");
}

/// In its own frame, so that no register still holds the address.
[[gnu::noinline]] void lose() {
  lost = new char[size];
  lost = nullptr;
}

TEST(SanitizersDeathTest, a_leak_is_found) {
  EXPECT_EXIT(
      {
        lose();
        std::_Exit(__lsan_do_recoverable_leak_check() != 0 ? 42 : 0);
      },
      testing::ExitedWithCode(42), "detected memory leaks");
}

}  // namespace
}  // namespace agw

#endif
#endif
