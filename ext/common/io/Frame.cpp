#include "io/Frame.h"

#include "base/Exceptions.h"
#include "base/WholeNumber.h"
#include "io/LittleEndian.h"

namespace Passenger {

namespace {

std::string nameOf(FrameType type) {
    return "Frame of type " + std::to_string(static_cast<unsigned>(type));
}

std::size_t sizeLimit(FrameType type) {
    return type == FrameType::AGENT_START || type == FrameType::SETTINGS || type == FrameType::BEGIN
               ? Frame::MAX_SETTINGS_SIZE
               : Frame::MAX_SIZE;
}

}  // namespace

void Frame::expect(FrameType expected, const char *problem) const {
    if (type != expected) {
        throw ProtocolException(problem);
    }
}

const std::string &Frame::field(std::size_t index) const {
    if (index >= fields.size()) {
        throw ProtocolException(nameOf(type) + " has no field " + std::to_string(index));
    }
    return fields[index];
}

std::uint64_t Frame::number(std::size_t index) const {
    const auto value = wholeNumber<std::uint64_t>(field(index));
    if (!value) {
        throw ProtocolException(nameOf(type) + ": field " + std::to_string(index) + " is not a number");
    }
    return *value;
}

std::map<std::string, std::string> Frame::map(std::size_t first) const {
    if (first > fields.size() || (fields.size() - first) % 2 != 0) {
        throw ProtocolException(nameOf(type) + ": a map with a key without a value");
    }
    std::map<std::string, std::string> result;
    for (std::size_t i = first; i < fields.size(); i += 2) {
        result[fields[i]] = fields[i + 1];
    }
    return result;
}

void Frame::add(const std::map<std::string, std::string> &map) {
    for (const auto &[key, value] : map) {
        fields.push_back(key);
        fields.push_back(value);
    }
}

FileDescriptor Frame::takeDescriptor(std::size_t index) {
    if (index >= descriptors.size() || !descriptors[index]) {
        throw ProtocolException(nameOf(type) + " has no descriptor " + std::to_string(index));
    }
    return std::move(descriptors[index]);
}

std::string Frame::encode() const {
    if (fields.size() > MAX_FIELDS) {
        throw ProtocolException(nameOf(type) + " has too many fields: " + std::to_string(fields.size()));
    }
    if (descriptors.size() > MAX_DESCRIPTORS) {
        throw ProtocolException(nameOf(type) + " has too many descriptors: " + std::to_string(descriptors.size()));
    }
    std::size_t size = 0;
    for (const auto &field : fields) {
        size += sizeof(std::uint32_t) + field.size();
        if (size > sizeLimit(type)) {
            throw ProtocolException(nameOf(type) + " is too large: it may have " + std::to_string(sizeLimit(type)) +
                                    " bytes");
        }
    }
    std::string bytes;
    bytes.reserve(HEADER_SIZE + size);
    appendLittleEndian(bytes, static_cast<std::uint32_t>(size));
    appendLittleEndian(bytes, static_cast<std::uint16_t>(type));
    appendLittleEndian(bytes, static_cast<std::uint16_t>(descriptors.size()));
    for (const auto &field : fields) {
        appendLittleEndian(bytes, static_cast<std::uint32_t>(field.size()));
        bytes += field;
    }
    return bytes;
}

}  // namespace Passenger
