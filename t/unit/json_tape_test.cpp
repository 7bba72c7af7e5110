#include <gtest/gtest.h>

#include "../../src/json/tape.h"

namespace agw::json {
namespace {

constexpr std::size_t kept = 1000;

TEST(Room, OfATextThatIsKeptIsNotMadeAnewForTheNextOne) {
  for (const std::size_t size : {std::size_t{1}, kept / 2, kept * 3 / 4, kept}) {
    Room<char> room;
    room.need(size, kept);
    EXPECT_GE(room.capacity(), size);
    EXPECT_LE(room.capacity(), kept) << "the next text of " << size << " would find it wasteful";
  }
}

TEST(Room, OfALargeTextIsGivenBack) {
  Room<char> room;
  room.need(kept * 4, kept);
  EXPECT_GE(room.capacity(), kept * 4);
  room.need(kept / 2, kept);
  EXPECT_LE(room.capacity(), kept);
}

}  // namespace
}  // namespace agw::json
