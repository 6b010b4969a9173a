/*
 * Feeds random bytes to a FrameReader: at once, and in pieces whose sizes the first bytes of the
 * input give. Both must give the same frames and the same error. Each frame must survive an
 * encoding and another reading.
 */
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/Exceptions.h"
#include "io/Frame.h"

namespace {

using namespace Passenger;

/** Numbers that are never open: closing them has no effect, but can be counted. */
constexpr int FIRST_FAKE_DESCRIPTOR = 1 << 24;

struct Outcome {
    std::string frames;
    std::string error;

    bool operator==(const Outcome &) const = default;
};

std::vector<FileDescriptor> fakeDescriptors(std::size_t count) {
    std::vector<FileDescriptor> result;
    while (result.size() < count) {
        result.emplace_back(FIRST_FAKE_DESCRIPTOR + static_cast<int>(result.size()));
    }
    return result;
}

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

void checkRoundTrip(const Frame &frame, const std::string &bytes) {
    FrameReader reader;
    reader.feed(bytes, fakeDescriptors(frame.descriptors.size()));
    const auto again = reader.next();
    require(again && again->type == frame.type && again->fields == frame.fields && !reader.midFrame());
}

void drain(FrameReader &reader, Outcome &outcome) {
    try {
        while (const auto frame = reader.next()) {
            const std::string bytes = frame->encode();
            checkRoundTrip(*frame, bytes);
            outcome.frames += bytes;
        }
    } catch (const ProtocolException &exception) {
        outcome.error = exception.what();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    constexpr std::size_t SIZES = 4;
    if (size <= SIZES) {
        return 0;
    }
    const std::string_view input(reinterpret_cast<const char *>(data) + SIZES, size - SIZES);
    // Some descriptors arrive with the first byte; most inputs have none.
    const std::size_t descriptors = data[0] >= 0xE0 ? data[0] % 20U : 0;

    Outcome whole;
    FrameReader reader;
    reader.feed(input, fakeDescriptors(descriptors));
    drain(reader, whole);

    Outcome pieces;
    FrameReader pieceReader;
    std::size_t begin = 0;
    for (std::size_t i = 0; begin < input.size() && pieces.error.empty(); i++) {
        const std::size_t length = 1 + data[i % SIZES];
        pieceReader.feed(input.substr(begin, length), fakeDescriptors(i == 0 ? descriptors : 0));
        begin += length;
        drain(pieceReader, pieces);
    }
    // Descriptors belong to the frames that are being read, so with descriptors only the frames
    // must be the same.
    require(descriptors > 0 || whole == pieces);
    return 0;
}
