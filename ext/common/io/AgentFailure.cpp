#include "io/AgentFailure.h"

#include <boost/thread/exceptions.hpp>

#include <string>
#include <string_view>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

/**
 * The exception's text without the reason that its class appends, for the class appends it again
 * when throwFailure() throws. Versions of Boost append different texts.
 * @param sample an exception of the same class and error, with the text "x"
 */
std::string withoutReason(std::string text, const std::exception &sample) {
    const std::string_view reason = std::string_view(sample.what()).substr(1);
    if (text.ends_with(reason)) {
        text.resize(text.size() - reason.size());
    }
    return text;
}

}  // namespace

Frame describeFailure(const std::exception &exception) {
    std::string kind = "io";
    std::string text = exception.what();
    std::string report;
    int error = 0;
    if (const auto *system = dynamic_cast<const SystemException *>(&exception)) {
        kind = "system";
        error = system->error();
        text = withoutReason(text, SystemException("x", error));
    } else if (const auto *spawn = dynamic_cast<const SpawnException *>(&exception)) {
        kind = "spawn";
        report = spawn->report();
    } else if (const auto *thread = dynamic_cast<const boost::thread_resource_error *>(&exception)) {
        kind = "thread";
        error = thread->native_error();
        text = withoutReason(text, boost::thread_resource_error(error, "x"));
    }
    return Frame::of(FrameType::AGENT_FAILED, kind, text, error, report);
}

void throwFailure(const Frame &failure) {
    const auto &kind = failure.field(0);
    const auto &text = failure.field(1);
    const auto error = static_cast<int>(failure.number(2));
    if (kind == "system") {
        throw SystemException(text, error);
    }
    if (kind == "spawn") {
        throw SpawnException(text, failure.field(3));
    }
    if (kind == "thread") {
        throw boost::thread_resource_error(error, text.c_str());
    }
    throw IOException(text);
}

}  // namespace Passenger
