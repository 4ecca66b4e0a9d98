"""The answers to the exercises, a module for each chapter. Try them first!"""
