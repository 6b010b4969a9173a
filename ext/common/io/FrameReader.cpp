#include "io/Frame.h"

#include <cstdint>
#include <iterator>
#include <utility>

#include "base/Exceptions.h"
#include "io/LittleEndian.h"

namespace Passenger {

void FrameReader::feed(std::string_view bytes, std::vector<FileDescriptor> descriptors, const PeerCredentials &sender) {
    if (!error_.empty()) {
        return;
    }
    descriptors_.insert(descriptors_.end(), std::make_move_iterator(descriptors.begin()),
                        std::make_move_iterator(descriptors.end()));
    try {
        if (midFrame() && bufferSender_ != sender) {
            throw ProtocolException("Two processes sent parts of one frame");
        }
        buffer_ += bytes;
        std::size_t used = 0;
        while (const std::size_t size = parseFrame(std::string_view(buffer_).substr(used), sender)) {
            used += size;
        }
        buffer_.erase(0, used);
        bufferSender_ = sender;
    } catch (const ProtocolException &exception) {
        error_ = exception.what();
        buffer_.clear();
        descriptors_.clear();
    }
}

std::optional<Frame> FrameReader::next() {
    if (frames_.empty()) {
        if (!error_.empty()) {
            throw ProtocolException(error_);
        }
        return std::nullopt;
    }
    std::optional<Frame> frame(std::move(frames_.front()));
    frames_.pop_front();
    return frame;
}

/**
 * Adds the frame at the beginning of `bytes` to frames_.
 * @return its size; 0 if it is incomplete
 */
std::size_t FrameReader::parseFrame(std::string_view bytes, const PeerCredentials &sender) {
    if (bytes.size() < Frame::HEADER_SIZE) {
        // Descriptors arrive with the first byte of their frame. Without such a byte they belong to
        // no frame.
        if (descriptors_.size() > (bytes.empty() ? 0 : MAX_DESCRIPTORS)) {
            throw ProtocolException("More descriptors than frames announced");
        }
        return 0;
    }
    const std::size_t length = readLittleEndian<std::uint32_t>(bytes, 0);
    const std::size_t descriptorCount = readLittleEndian<std::uint16_t>(bytes, 6);
    if (length > maxSize_) {
        throw ProtocolException("A frame of " + std::to_string(length) + " bytes is too large");
    }
    if (descriptorCount > MAX_DESCRIPTORS) {
        throw ProtocolException("A frame announced too many descriptors: " + std::to_string(descriptorCount));
    }
    // If bytes of a next frame have arrived, the surplus may belong to that frame.
    if (bytes.size() <= Frame::HEADER_SIZE + length && descriptors_.size() > descriptorCount) {
        throw ProtocolException("More descriptors than frames announced");
    }
    if (bytes.size() < Frame::HEADER_SIZE + length) {
        return 0;
    }
    const auto type = static_cast<FrameType>(readLittleEndian<std::uint16_t>(bytes, 4));
    // A CHANNEL comes without its descriptor if the process has no room for it.
    const bool lost = type == FrameType::CHANNEL && descriptors_.empty();
    if (descriptors_.size() < descriptorCount && !lost) {
        throw ProtocolException("A frame announced " + std::to_string(descriptorCount) + " descriptors, but " +
                                std::to_string(descriptors_.size()) + " arrived");
    }
    Frame frame(type, parseFields(bytes.substr(Frame::HEADER_SIZE, length)));
    const auto end = descriptors_.begin() + static_cast<std::ptrdiff_t>(lost ? 0 : descriptorCount);
    frame.descriptors.assign(std::make_move_iterator(descriptors_.begin()), std::make_move_iterator(end));
    descriptors_.erase(descriptors_.begin(), end);
    frame.sender = sender;
    frames_.push_back(std::move(frame));
    return Frame::HEADER_SIZE + length;
}

std::vector<std::string> FrameReader::parseFields(std::string_view bytes) {
    std::vector<std::string> fields;
    while (!bytes.empty()) {
        if (fields.size() == Frame::MAX_FIELDS) {
            throw ProtocolException("A frame has too many fields");
        }
        if (bytes.size() < sizeof(std::uint32_t)) {
            throw ProtocolException("A frame ends within the length of a field");
        }
        const std::size_t length = readLittleEndian<std::uint32_t>(bytes, 0);
        bytes.remove_prefix(sizeof(std::uint32_t));
        if (length > bytes.size()) {
            throw ProtocolException("A field reaches beyond its frame");
        }
        fields.emplace_back(bytes.substr(0, length));
        bytes.remove_prefix(length);
    }
    return fields;
}

}  // namespace Passenger
