#pragma once

#include <optional>

namespace Passenger {

/** Where the value of PassengerFairnessKey comes from: the directive, parsed. */
struct FairnessSource {
    enum class Kind { OFF, CLIENT, USER, HEADER, VARIABLE };

    Kind kind = Kind::OFF;
    /** The name of the header or the variable. It is a part of the parsed text, to its end. */
    const char *name = "";

    /** For people. */
    static constexpr const char *ALLOWED = "off, client, user, header:NAME, env:NAME";

    /** Nothing: the text is none of these. */
    static std::optional<FairnessSource> parse(const char *text) noexcept;
};

}  // namespace Passenger
