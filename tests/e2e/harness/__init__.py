"""Starts what the end-to-end suite needs: an S3 origin, Larder in front of it, and TPC-H tables to read."""
