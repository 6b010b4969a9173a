#pragma once

#include <stdexcept>

#include "pool/Pool.h"

namespace Passenger {

/** A session with an instance in memory (DummySpawner): it occupies its process and exchanges nothing. */
class MemorySession final : public Session {
public:
    MemorySession(Pool &pool, Group &group, ProcessPtr process, MonotonicTime opened)
        : pool_(pool), group_(group), process_(std::move(process)), opened_(opened) {}
    ~MemorySession() override {
        pool_.released(group_, process_, opened_);
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
    Reply receive(std::span<char>, const Client &, std::chrono::milliseconds) override {
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
    Pool &pool_;
    Group &group_;
    ProcessPtr process_;
    MonotonicTime opened_;
};

}  // namespace Passenger
