#pragma once

#include <functional>
#include <stdexcept>
#include <utility>

#include "pool/Process.h"
#include "pool/Session.h"

namespace Passenger {

/** A session with an instance in memory (DummySpawner): it occupies its process and exchanges nothing. */
class MemorySession final : public Session {
public:
    /** @param release called once, when the session ends */
    MemorySession(ProcessPtr process, std::function<void()> release)
        : process_(std::move(process)), release_(std::move(release)) {}
    ~MemorySession() override {
        release_();
    }
    /** Whose session it is. */
    const ProcessPtr &process() const noexcept {
        return process_;
    }

    std::optional<Reply> start(const Request &) override {
        return std::nullopt;
    }
    std::size_t sendBody(std::string_view block, bool) override {
        return block.size();
    }
    bool bodyDone() const override {
        return true;
    }
    Reply receive(std::span<char>, int, std::chrono::milliseconds) override {
        Reply reply;
        reply.kind = Reply::Kind::RESPONSE;
        reply.status = 204;
        reply.last = true;
        return reply;
    }
    bool replyWaiting() override {
        return true;
    }
    void sendHeaders(std::string_view) override {}
    void sendBodyBlock(std::string_view) override {}
    void closeWriter() override {}
    int getReader() override {
        throw std::logic_error("an instance in memory has no stream to read");
    }
    void closeReader() override {}

private:
    ProcessPtr process_;
    std::function<void()> release_;
};

}  // namespace Passenger
