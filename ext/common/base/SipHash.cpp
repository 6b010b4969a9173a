#include "base/SipHash.h"

#include <bit>
#include <cstddef>

namespace Passenger {

namespace {

constexpr std::size_t WORD = 8;
constexpr int ROUNDS_FOR_A_WORD = 2;
constexpr int ROUNDS_AT_THE_END = 4;

/** Up to eight bytes, the first one lowest. */
template <typename Byte> std::uint64_t wordOf(const Byte *bytes, std::size_t count) noexcept {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < count; i++) {
        word |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (WORD * i);
    }
    return word;
}

/** The names of the paper. */
struct State {
    std::uint64_t v0;
    std::uint64_t v1;
    std::uint64_t v2;
    std::uint64_t v3;

    void mix(int rounds) noexcept {
        for (int i = 0; i < rounds; i++) {
            v0 += v1;
            v2 += v3;
            v1 = std::rotl(v1, 13) ^ v0;
            v3 = std::rotl(v3, 16) ^ v2;
            v0 = std::rotl(v0, 32) + v3;
            v2 += v1;
            v3 = std::rotl(v3, 21) ^ v0;
            v1 = std::rotl(v1, 17) ^ v2;
            v2 = std::rotl(v2, 32);
        }
    }

    void take(std::uint64_t word) noexcept {
        v3 ^= word;
        mix(ROUNDS_FOR_A_WORD);
        v0 ^= word;
    }
};

}  // namespace

std::uint64_t SipHash::of(std::string_view text, const Secret &secret) noexcept {
    const std::uint64_t k0 = wordOf(secret.data(), WORD);
    const std::uint64_t k1 = wordOf(secret.data() + WORD, WORD);
    // "somepseudorandomlygeneratedbytes"
    State state{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
    const std::uint64_t size = text.size();
    for (; text.size() >= WORD; text.remove_prefix(WORD)) {
        state.take(wordOf(text.data(), WORD));
    }
    state.take(wordOf(text.data(), text.size()) | size << 56);
    state.v2 ^= 0xff;
    state.mix(ROUNDS_AT_THE_END);
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace Passenger
