-- Databases that play the other platforms; `yt` is made by the image.
create database mpp;
create database db24;
