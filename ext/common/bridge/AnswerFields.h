#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace Passenger::Bridge {

/**
 * The header fields of a head of an application's answer, or its trailer fields, as the bytes come
 * (RFC 9112, section 5). Not thread-safe.
 */
class AnswerFields {
public:
    /** Fields that lines() leaves out unless they are wanted. */
    struct Wanted {
        /** Content-Length. */
        bool length = false;
        /** Trailer, although it is about the connection. */
        bool trailer = false;
    };

    /** Bytes of a name. After a value they begin the next field. False: there are too many. */
    bool addName(std::string_view part);
    /** Bytes of the value of the field whose name has come. */
    void addValue(std::string_view part);
    void clear() noexcept;

    /** Why a name or a value is none of HTTP, or null. */
    const char *problemOfCharacters() const;
    /**
     * Why the fields do not say clearly how long the body is, or null.
     * @param length what http_parser has read from Content-Length
     */
    const char *problemOfLength(std::uint64_t length) const;

    /** The value of the first field of that name, or null. */
    const std::string *find(std::string_view name) const;
    /** Whether the body is an event stream without a coding and trailer fields. */
    bool areOfEventStream() const;
    /** The time in `Keep-Alive: timeout=5, max=1000`. 0: there is none. */
    std::chrono::seconds keepAliveTime() const;
    /** `Name: value CR LF` for each field, without those about the connection, and without
     *  Content-Length. */
    std::string lines(Wanted wanted) const;

private:
    bool isNominated(std::string_view name) const;

    std::vector<std::pair<std::string, std::string>> all_;
    bool inValue_ = false;
};

}  // namespace Passenger::Bridge
