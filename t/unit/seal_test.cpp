// What is handed out and comes back.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agw/seal/seal_keys.h"

#include "support/fakes.h"

namespace agw {
namespace {

using test::FakeRandom;

std::vector<Secret> files(const std::string& letters) {
  std::vector<Secret> out;
  for (const char letter : letters) out.emplace_back(std::string(32, letter));
  return out;
}

TEST(Seal, what_one_use_has_sealed_no_other_opens) {
  FakeRandom random;
  const SealKeys first(files("a"), "first");
  const SealKeys second(files("a"), "second");
  const std::string sealed = first.seal("text", "bound", random);
  EXPECT_EQ(first.open(sealed, "bound"), "text");
  EXPECT_EQ(second.open(sealed, "bound"), std::nullopt);
  // Nor under the other's id.
  const std::string own = second.seal("text", "bound", random);
  EXPECT_EQ(second.open(own.substr(0, 8) + sealed.substr(8), "bound"), std::nullopt);
}

TEST(Seal, the_first_key_seals_and_all_open) {
  FakeRandom random;
  const SealKeys old(files("a"), "use");
  const SealKeys both(files("ba"), "use");
  const SealKeys late(files("b"), "use");
  const std::string before = old.seal("text", "", random);
  EXPECT_EQ(both.open(before, ""), "text");
  EXPECT_EQ(late.open(before, ""), std::nullopt);
  const std::string now = both.seal("text", "", random);
  EXPECT_EQ(late.open(now, ""), "text");
  EXPECT_EQ(old.open(now, ""), std::nullopt);
}

}  // namespace
}  // namespace agw
