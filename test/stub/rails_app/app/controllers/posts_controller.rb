# frozen_string_literal: true

# A list and a page from the database.
class PostsController < ApplicationController
  def index
    @posts = Post.order(:id)
  end

  def show
    @post = Post.find(params[:id])
  end
end
