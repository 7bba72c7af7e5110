#include "agw/base/encoding.h"

#include <array>

namespace agw {
namespace {

constexpr std::string_view url_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view plain_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view upper_hex = "0123456789ABCDEF";
constexpr std::string_view lower_hex = "0123456789abcdef";

using Reverse = std::array<signed char, 256>;

constexpr Reverse reverse(std::string_view alphabet) {
  Reverse table{};
  for (auto& entry : table) entry = -1;
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<signed char>(i);
  return table;
}

constexpr Reverse url_reverse = reverse(url_alphabet);
constexpr Reverse plain_reverse = reverse(plain_alphabet);

unsigned char byte_of(char c) { return static_cast<unsigned char>(c); }

std::string encode64(std::string_view bytes, std::string_view alphabet) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (char c : bytes) {
    bits = (bits << 8U) | byte_of(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      out += alphabet[(bits >> count) & 63U];
    }
  }
  if (count > 0) out += alphabet[(bits << (6 - count)) & 63U];
  return out;
}

std::optional<std::string> decode64(std::string_view text, const Reverse& table) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (char c : text) {
    const signed char value = table[byte_of(c)];
    if (value < 0) return std::nullopt;
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> count) & 255U);
    }
  }
  // Two texts must never mean the same bytes: the bits left over have to be zero.
  if ((bits & ((1U << count) - 1U)) != 0) return std::nullopt;
  return out;
}

bool is_part_byte(unsigned char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '@' || c == '-';
}

int upper_hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Length of the well-formed UTF-8 sequence at the front, 0 if there is none (RFC 3629 section 4).
std::size_t utf8_sequence(std::string_view text) {
  const unsigned char first = byte_of(text[0]);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  if (byte_of(text[1]) < low || byte_of(text[1]) > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if (byte_of(text[i]) < 0x80 || byte_of(text[i]) > 0xBF) return 0;
  return length;
}

void append_unicode_escape(std::string& out, unsigned code) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += lower_hex[(code >> static_cast<unsigned>(shift)) & 15U];
}

}  // namespace

std::string base64url_encode(std::string_view bytes) { return encode64(bytes, url_alphabet); }

std::optional<std::string> base64url_decode(std::string_view text) { return decode64(text, url_reverse); }

std::string base64_encode(std::string_view bytes) {
  std::string out = encode64(bytes, plain_alphabet);
  out.append((4 - out.size() % 4) % 4, '=');
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  return decode64(text.substr(0, text.size() - padding), plain_reverse);
}

std::string hex_encode(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char c : bytes) {
    out += lower_hex[byte_of(c) >> 4U];
    out += lower_hex[byte_of(c) & 15U];
  }
  return out;
}

void append_encoded_part(std::string& out, std::string_view bytes) {
  for (char c : bytes) {
    if (is_part_byte(byte_of(c))) {
      out += c;
    } else {
      out += '%';
      out += upper_hex[byte_of(c) >> 4U];
      out += upper_hex[byte_of(c) & 15U];
    }
  }
}

std::string encode_part(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  append_encoded_part(out, bytes);
  return out;
}

std::optional<std::string> decode_part(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_part_byte(byte_of(text[i]))) {
      out += text[i];
      continue;
    }
    if (text[i] != '%' || text.size() - i < 3) return std::nullopt;
    const int high = upper_hex_value(text[i + 1]);
    const int low = upper_hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    const auto byte = static_cast<unsigned char>(high * 16 + low);
    if (is_part_byte(byte)) return std::nullopt;
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

bool is_encoded_part(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_part_byte(byte_of(text[i]))) continue;
    if (text[i] != '%' || text.size() - i < 3) return false;
    const int high = upper_hex_value(text[i + 1]);
    const int low = upper_hex_value(text[i + 2]);
    if (high < 0 || low < 0 || is_part_byte(static_cast<unsigned char>(high * 16 + low))) return false;
    i += 2;
  }
  return true;
}

void append_form_field(std::string& body, std::string_view name, std::string_view value) {
  const auto append = [&body](std::string_view text) {
    for (char c : text) {
      const unsigned char byte = byte_of(c);
      if (is_part_byte(byte) && byte != '@') {
        body += c;
      } else if (byte == ' ') {
        body += '+';
      } else {
        body += '%';
        body += upper_hex[byte >> 4U];
        body += upper_hex[byte & 15U];
      }
    }
  };
  if (!body.empty()) body += '&';
  append(name);
  body += '=';
  append(value);
}

void append_json_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    // The common case: a run that needs no escape is copied whole.
    std::size_t run = 0;
    while (run < text.size() && byte_of(text[run]) >= 0x20 && byte_of(text[run]) < 0x7F && text[run] != '"' &&
           text[run] != '\\')
      ++run;
    out.append(text.substr(0, run));
    text.remove_prefix(run);
    if (text.empty()) return;
    const std::size_t length = utf8_sequence(text);
    // A NUL is refused by every strict reader, escaped or not: nothing that is written may hold one.
    if (length == 0 || text[0] == '\0') {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
      continue;
    }
    if (length == 1) {
      switch (text[0]) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        default: append_unicode_escape(out, byte_of(text[0]));
      }
    } else if (text.starts_with("\xE2\x80\xA8")) {
      out += "\\u2028";
    } else if (text.starts_with("\xE2\x80\xA9")) {
      out += "\\u2029";
    } else if (length == 2 && byte_of(text[0]) == 0xC2 && byte_of(text[1]) < 0xA0) {
      append_unicode_escape(out, byte_of(text[1]));  // C1 controls
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
}

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  append_json_escaped(out, text);
  out += '"';
  return out;
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t length = utf8_sequence(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

bool equal_constant_time(std::string_view left, std::string_view right) noexcept {
  if (left.size() != right.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < left.size(); ++i)
    difference |= static_cast<unsigned>(byte_of(left[i]) ^ byte_of(right[i]));
  return difference == 0;
}

std::string quoted_string_body(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (byte_of(c) < 0x20 || byte_of(c) > 0x7E) {
      out += '?';
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace agw
