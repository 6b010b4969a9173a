# frozen_string_literal: true

Rails.application.routes.draw do
  root "home#index"

  resources :posts, only: %i[index show]
  resources :uploads, only: %i[new create]

  match "raw_upload", to: "streams#upload", via: %i[post put]
  get "download", to: "streams#download"

  get "plain", to: "diagnostics#plain"
  get "environment", to: "diagnostics#environment"
  match "slow", to: "diagnostics#slow", via: %i[get post]
  get "raise", to: "diagnostics#failure"
  get "counter", to: "diagnostics#counter"
  get "redirect", to: "diagnostics#elsewhere"
end
