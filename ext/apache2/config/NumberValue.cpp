#include "apache2/config/NumberValue.h"

#include <cctype>
#include <charconv>
#include <climits>
#include <cstdint>
#include <cstring>
#include <system_error>

#include <apr_cstr.h>

#include "base/WholeNumber.h"

namespace Passenger::Directives::NumberValue {

namespace {

constexpr std::int64_t KILO = 1024;
constexpr std::int64_t MEGA = KILO * KILO;

/** A whole number, of seconds unless it has a unit.
 *  @return milliseconds; -1: it is no duration, or longer than any directive takes */
std::int64_t parseTime(const char *value) {
    constexpr std::int64_t LONGEST = std::int64_t{INT_MAX} * 1000;
    std::int64_t number = 0;
    auto [rest, error] = std::from_chars(value, value + std::strlen(value), number);
    const auto is = [rest = rest](const char *unit) { return apr_cstr_casecmp(rest, unit) == 0; };
    const std::int64_t unit = is("ms")            ? 1
                              : is("s") || is("") ? 1000
                              : is("min")         ? 60 * 1000
                              : is("h")           ? 60 * 60 * 1000
                                                  : 0;
    const bool good = error == std::errc() && unit != 0 && number >= 0 && number <= LONGEST / unit;
    return good ? number * unit : -1;
}

/** A whole number with a unit: K, M or G.
 *  @param usual the unit of a number without one, in bytes
 *  @return bytes; -1: it is no size, or larger than any directive takes */
std::int64_t parseSize(const char *value, std::int64_t usual) {
    constexpr std::int64_t LARGEST = std::int64_t{INT_MAX} * MEGA;
    std::int64_t number = 0;
    const char *end = value + std::strlen(value);
    auto [rest, error] = std::from_chars(value, end, number);
    const int letter = rest == end ? 0 : rest + 1 == end ? std::toupper(static_cast<unsigned char>(*rest)) : '?';
    const std::int64_t unit = letter == 0     ? usual
                              : letter == 'K' ? KILO
                              : letter == 'M' ? MEGA
                              : letter == 'G' ? KILO * MEGA
                                              : 0;
    const bool good = error == std::errc() && unit != 0 && number >= 0 && number <= LARGEST / unit;
    return good ? number * unit : -1;
}

const char *readTime(const Field &field, std::optional<int> &target, const char *value, apr_pool_t *pool) {
    const std::int64_t time = parseTime(value);
    if (time < 0 || time > field.most) {
        return apr_psprintf(pool, "0 to %d seconds, or a number with a unit: ms, s, min or h", field.most / 1000);
    }
    target = static_cast<int>(time);
    return nullptr;
}

const char *readSeconds(const Field &field, std::optional<int> &target, const char *value, apr_pool_t *pool) {
    const std::int64_t time = parseTime(value);
    const std::int64_t whole = time / 1000;
    if (time < 0 || time % 1000 != 0 || whole < field.least || whole > field.most) {
        return apr_psprintf(pool, "%d to %d seconds, or a number with a unit: ms, s, min or h; whole seconds",
                            field.least, field.most);
    }
    target = static_cast<int>(whole);
    return nullptr;
}

const char *readMemory(const Field &field, std::optional<int> &target, const char *value, apr_pool_t *pool) {
    const std::int64_t size = parseSize(value, MEGA);
    // Less than 1 MB would be 0, which is no limit.
    if (size < 0 || (size > 0 && size < MEGA) || size / MEGA > field.most) {
        return apr_psprintf(pool, "0 to %d MB, or a whole number with a unit: K, M or G; from 1 MB", field.most);
    }
    target = static_cast<int>(size / MEGA);
    return nullptr;
}

const char *readBytes(const Field &field, std::optional<int> &target, const char *value, apr_pool_t *pool) {
    const std::int64_t size = parseSize(value, 1);
    if (size < 0 || size > field.most) {
        return apr_psprintf(pool, "0 to %d bytes, or a whole number with a unit: K, M or G", field.most);
    }
    target = static_cast<int>(size);
    return nullptr;
}

const char *readPlain(const Field &field, std::optional<int> &target, const char *value, apr_pool_t *pool) {
    const auto number = wholeNumber<int>(value);
    if (!number || *number < field.least || *number > field.most) {
        return apr_psprintf(pool, "a whole number from %d to %d", field.least, field.most);
    }
    target = *number;
    return nullptr;
}

}  // namespace

const char *read(const Field &field, std::optional<int> &target, const char *value, apr_pool_t *pool) {
    switch (field.form) {
        case Form::TIME: return readTime(field, target, value, pool);
        case Form::SECONDS: return readSeconds(field, target, value, pool);
        case Form::MEMORY: return readMemory(field, target, value, pool);
        case Form::BYTES: return readBytes(field, target, value, pool);
        default: return readPlain(field, target, value, pool);
    }
}

}  // namespace Passenger::Directives::NumberValue
