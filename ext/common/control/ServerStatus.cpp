#include "control/ServerStatus.h"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <string>
#include <type_traits>

#include "base/Exceptions.h"
#include "base/Json.h"

namespace Passenger {

namespace {

/** Times are told in microseconds: more digits say nothing and cost the reader time. */
constexpr int DECIMALS = 6;

/** Writes without a tree in between: a status of a thousand applications is long. */
class Writer {
public:
    explicit Writer(rapidjson::StringBuffer &text) : writer_(text) { writer_.SetMaxDecimalPlaces(DECIMALS); }

    template <class Member> void operator()(const char *name, const Member &member) {
        writer_.Key(name);
        write(member);
    }
    template <class Value> void writeObject(const Value &value) {
        writer_.StartObject();
        Value::describe(value, *this);
        writer_.EndObject();
    }

private:
    template <class Member> void write(const Member &member) {
        if constexpr (std::is_same_v<Member, bool>) {
            writer_.Bool(member);
        } else if constexpr (std::is_floating_point_v<Member>) {
            writer_.Double(member);
        } else if constexpr (std::is_signed_v<Member>) {
            writer_.Int64(member);
        } else if constexpr (std::is_unsigned_v<Member>) {
            writer_.Uint64(member);
        } else {
            writeObject(member);
        }
    }
    void write(const std::string &text) {
        if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
            writer_.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
        } else {
            const std::string valid = jsonString(text);
            writer_.RawValue(valid.data(), valid.size(), rapidjson::kStringType);
        }
    }
    void write(const TimeQuantiles &times) {
        writer_.StartArray();
        writeEach(times);
        writer_.EndArray();
    }
    void write(const PointStatus &point) {
        writer_.StartArray();
        writer_.Double(point.at);
        writer_.Double(point.seconds);
        writer_.Uint64(point.requests);
        writeEach(point.queue);
        writeEach(point.service);
        writer_.EndArray();
    }
    void writeEach(const TimeQuantiles &times) {
        for (const double time : {times.p50, times.p90, times.p99}) {
            writer_.Double(time);
        }
    }
    template <class Element> void write(const std::vector<Element> &members) {
        writer_.StartArray();
        for (const Element &member : members) {
            write(member);
        }
        writer_.EndArray();
    }
    template <class Member> void write(const std::optional<Member> &member) {
        if (member) {
            write(*member);
        } else {
            writer_.Null();
        }
    }

    rapidjson::Writer<rapidjson::StringBuffer> writer_;
};

class Reader {
public:
    explicit Reader(const rapidjson::Value &object) : object_(object) {
        expect(object.IsObject(), "an object");
        next_ = object.MemberBegin();
    }

    template <class Member> void operator()(const char *name, Member &member) {
        // An agent of this version has written them in this order.
        const bool isNext = next_ != object_.MemberEnd() && next_->name == name;
        const auto found = isNext ? next_ : object_.FindMember(name);
        if (found == object_.MemberEnd()) {
            return;
        }
        next_ = found + 1;
        if (!found->value.IsNull()) {
            read(found->value, member);
        }
    }

private:
    static void expect(bool is, const char *what) {
        if (!is) {
            throw ProtocolException(fmt::format("the agent's status is malformed: a value is not {}", what));
        }
    }

    template <class Member> static void read(const rapidjson::Value &place, Member &member) {
        if constexpr (std::is_same_v<Member, bool>) {
            expect(place.IsBool(), "true or false");
            member = place.GetBool();
        } else if constexpr (std::is_floating_point_v<Member>) {
            expect(place.IsNumber(), "a number");
            member = place.GetDouble();
        } else if constexpr (std::is_signed_v<Member>) {
            expect(place.IsInt64(), "a whole number");
            member = static_cast<Member>(place.GetInt64());
        } else if constexpr (std::is_unsigned_v<Member>) {
            expect(place.IsUint64(), "a whole number");
            member = static_cast<Member>(place.GetUint64());
        } else {
            Member::describe(member, Reader(place));
        }
    }
    static void read(const rapidjson::Value &place, std::string &text) {
        expect(place.IsString(), "a text");
        text.assign(place.GetString(), place.GetStringLength());
    }
    static void read(const rapidjson::Value &place, TimeQuantiles &times) {
        expect(place.IsArray(), "an array");
        times = quantilesAt(place, 0);
    }
    static void read(const rapidjson::Value &place, PointStatus &point) {
        expect(place.IsArray() && place.Size() > 2, "a point");
        read(place[0], point.at);
        read(place[1], point.seconds);
        read(place[2], point.requests);
        point.queue = quantilesAt(place, 3);
        point.service = quantilesAt(place, 6);
    }
    static TimeQuantiles quantilesAt(const rapidjson::Value &place, rapidjson::SizeType first) {
        expect(place.Size() > first + 2, "three times");
        TimeQuantiles times;
        read(place[first], times.p50);
        read(place[first + 1], times.p90);
        read(place[first + 2], times.p99);
        return times;
    }
    template <class Element> static void read(const rapidjson::Value &place, std::vector<Element> &members) {
        expect(place.IsArray(), "an array");
        members.clear();
        members.reserve(place.Size());
        for (const rapidjson::Value &element : place.GetArray()) {
            read(element, members.emplace_back());
        }
    }
    template <class Member> static void read(const rapidjson::Value &place, std::optional<Member> &member) {
        read(place, member.emplace());
    }

    const rapidjson::Value &object_;
    rapidjson::Value::ConstMemberIterator next_;
};

}  // namespace

std::string toJson(const ServerStatus &status) {
    rapidjson::StringBuffer text;
    Writer(text).writeObject(status);
    return {text.GetString(), text.GetSize()};
}

ServerStatus statusFromJson(std::string text) {
    // Iterative: the depth of what a false agent sends is not limited.
    rapidjson::Document document;
    document.ParseInsitu<rapidjson::kParseIterativeFlag>(text.data());
    if (document.HasParseError()) {
        throw ProtocolException(fmt::format("the agent's status is malformed at byte {}: {}", document.GetErrorOffset(),
                                            rapidjson::GetParseError_En(document.GetParseError())));
    }
    ServerStatus status;
    ServerStatus::describe(status, Reader(document));
    return status;
}

}  // namespace Passenger
