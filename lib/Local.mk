# Installed to $(passengerrootdir)/lib/passenger. Keep sorted, one file a line.
nobase_dist_passengerroot_DATA += \
    %D%/passenger/app_instance.rb \
    %D%/passenger/app_loader.rb \
    %D%/passenger/app_process.rb \
    %D%/passenger/body_source.rb \
    %D%/passenger/boot_keeper.rb \
    %D%/passenger/channel.rb \
    %D%/passenger/channels.rb \
    %D%/passenger/chunked_decoder.rb \
    %D%/passenger/claim.rb \
    %D%/passenger/early_hints.rb \
    %D%/passenger/failure.rb \
    %D%/passenger/fork_guard.rb \
    %D%/passenger/frame.rb \
    %D%/passenger/frame_socket.rb \
    %D%/passenger/hooks.rb \
    %D%/passenger/input.rb \
    %D%/passenger/instance.rb \
    %D%/passenger/intake.rb \
    %D%/passenger/layout.rb \
    %D%/passenger/log.rb \
    %D%/passenger/login_shell.rb \
    %D%/passenger/max_requests.rb \
    %D%/passenger/native.rb \
    %D%/passenger/native_builder.rb \
    %D%/passenger/node_loader.js \
    %D%/passenger/preload_bundler.rb \
    %D%/passenger/preloader.rb \
    %D%/passenger/privileges.rb \
    %D%/passenger/queue_pair.rb \
    %D%/passenger/rack_adapter.rb \
    %D%/passenger/refork.rb \
    %D%/passenger/reply.rb \
    %D%/passenger/request_handler.rb \
    %D%/passenger/response_body.rb \
    %D%/passenger/response_head.rb \
    %D%/passenger/rewindable_input.rb \
    %D%/passenger/signals.rb \
    %D%/passenger/spawn_server.rb \
    %D%/passenger/stream_body.rb \
    %D%/passenger/stream_exchange.rb \
    %D%/passenger/subreaper.rb \
    %D%/passenger/wait_statuses.rb \
    %D%/passenger/wsgi_loader.py
EXTRA_DIST += %D%/passenger/README.md
